import { counted } from './words.ts'

/** What there is to look at and to try while functions run. */
export interface GuideFacts {
  /** Of the status page and the webhooks. */
  readonly url: string
  readonly webhookCount: number
  /** Absent on a real platform. */
  readonly sandbox?:
    | {
        readonly url: string
        readonly speed: number
        /** Whether people and their tools do things by themselves. */
        readonly isAlive: boolean
        /** A tag of shop/storefront that would be its newest release. */
        readonly nextTag: string
      }
    | undefined
}

/** What a person is told once the first runs are over: where to look, what happens by itself, what to try, and how it ends. */
export function guideLines({ url, webhookCount, sandbox }: GuideFacts): readonly string[] {
  const look = `Look    ${url}/  the status page: what was done and why, and what is next`
  const ends = [
    ...(webhookCount === 0 ? [] : [`${counted(webhookCount, 'webhook')} at ${url}.`]),
    `Ticking on; status at ${url}/healthz. Ctrl-C ends it.`,
  ]
  if (sandbox === undefined) return ['', look, ...ends]
  const { speed, isAlive, nextTag } = sandbox
  const life = isAlive
    ? ['Watch   people live on this sandbox: they push images, raise alarms, scale by hand (--quiet-world leaves them out)']
    : []
  return [
    '',
    look,
    ...life,
    speed === 1
      ? '        npm start -- --speed 600 lets a day pass in under three minutes'
      : `        time passes ${speed} times faster: ${dayText(speed)}`,
    'Try     in another terminal, and see what comes of it here:',
    `        curl ${sandbox.url}/_sandbox/push -d '{"repo":"shop/storefront","tag":"${nextTag}"}'    a release`,
    `        curl ${sandbox.url}/_sandbox/clock -d '{"moveMs":3600000}'    an hour passes at once`,
    `        curl '${url}/api/decisions?outcome=Applied'    what was changed, for scripts`,
    `The sandbox's clock, faults and calls are steered at ${sandbox.url}/_sandbox.`,
    ...ends,
  ]
}

/** How long a day takes at a speed. */
export function dayText(speed: number): string {
  const seconds = Math.round(86_400 / speed)
  const [minutes, rest] = [Math.floor(seconds / 60), seconds % 60]
  if (minutes >= 60) return `a day takes ${Math.floor(minutes / 60)} h ${minutes % 60} min`
  const parts = [...(minutes > 0 ? [`${minutes} min`] : []), ...(rest > 0 ? [`${rest} s`] : [])]
  return `a day takes ${parts.join(' ')}`
}

/** What is said when a speed cannot be kept. */
export function behindText(speed: number, reached: number): string {
  const now = reached < 2 ? 'hardly faster than on the wall' : `about ${Math.floor(reached)} times faster`
  return `This machine does not keep up with --speed ${speed}: so far time has passed ${now}. Nothing is left out for it.`
}
