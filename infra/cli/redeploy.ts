import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { linkFor } from '#functions/redeploy-hook/approval-link.ts'
import { type ApprovalWish, approvalsWanted, planApproval, planRelease } from '#functions/redeploy-hook/approvals.ts'
import { shortContent } from '#functions/redeploy-hook/decide-container.ts'
import { definition, lookAtPush } from '#functions/redeploy-hook/definition.ts'
import type { Settings } from '#functions/redeploy-hook/event.ts'
import { HookEvent } from '#functions/redeploy-hook/hook-event.ts'
import { forgetHolds } from '#functions/redeploy-hook/look-memory.ts'
import type { Seen } from '#functions/redeploy-hook/observe.ts'
import type { PushHint } from '#functions/redeploy-hook/push-hint.ts'
import { contentOfRequest } from '#functions/redeploy-hook/webhook-sources.ts'
import { isRead, refName } from '#functions/redeploy-hook/workload.ts'
import { type Platform, sandboxPlatform } from '#infra/local/platform.ts'
import { parseImageName } from '#shared/pure/image-name.ts'
import { functionConfig } from '#shared/runtime/config.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { createResolver } from '#shared/runtime/reference.ts'
import { makePlan } from '#shared/runtime/run.ts'
import { parseHttpEvent } from '#shared/runtime/webhook-event.ts'
import { carryOut } from './carry-out.ts'
import { columns } from './columns.ts'
import type { Command, CommandIo } from './command.ts'
import { UsageError } from './command.ts'
import { nearestOnes } from './nearest-ones.ts'
import { planTable } from './plan.ts'
import { readEvent } from './read-event.ts'
import { type Opened, withStore } from './with-platform.ts'
import { counted } from './words.ts'

export const redeploy: Command = {
  summary: 'try an event on the redeploy hook, see what is held, and let it go on',
  help: `Usage: longshore redeploy test --event FILE [--config FILE | --sandbox] [--json]
       longshore redeploy status [--config FILE] [--json]
       longshore redeploy release <namespace/name@content> [--config FILE]

test     reads an event of a file (events/redeploy-hook/base.json: a request as API Gateway hands it over), reads registry and clusters,
         and says what it would do and why. Credentials in the event are not looked at, and nothing is changed, whatever the mode.
         With --sandbox on a fresh sandbox.
status   shows every workload that a rule is for: what runs there, what is on its way, and what is held or waits for somebody.
release  lets a content that failed somewhere be tried again. The beginning of its digest is enough: team/web@sha256:0a1b2c. It goes
         through guard, ledger and journal, so it needs \`mode: enforce\`.

Exit code 0: it worked, or nothing would be done. 2: something would be done. 1: something went wrong.

Example: longshore redeploy test --event events/redeploy-hook/storefront.json --sandbox`,
  run: async (words, io) => {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        event: { type: 'string' },
        sandbox: { type: 'boolean' },
        json: { type: 'boolean' },
      },
    })
    const [verb, ...names] = positionals
    switch (verb) {
      case 'test':
        if (values.event === undefined) throw new UsageError('give the event: --event events/redeploy-hook/base.json')
        if (names.length > 0) throw new UsageError(`test takes no further words, and there is "${names[0]}"`)
        return await testEvent(values.event, values, io)
      case 'status':
        return await withStore(io, values.config, (opened) => showStatus(opened, values.json === true))
      case 'release':
        return await withStore(io, values.config, (opened) => release(names, opened, io))
      default:
        throw new UsageError(
          verb === undefined ? 'say test, status or release' : `there is no "redeploy ${verb}": say test, status or release`,
        )
    }
  },
}

export const approve: Command = {
  summary: 'agree to images that wait for somebody to agree',
  help: `Usage: longshore approve [<cluster/namespace/Kind/name>…] [--all] --by NAME [--config FILE]
       longshore approve --links [--config FILE]

Without a workload it lists what waits; with --links also the link by which somebody else can agree, who then needs nothing but a
browser. Whoever has a link can agree: send it only to who may. What is agreed to is the content that stands there now, under the name that is given; pushed
again under the same tag, it has to be agreed to again. The agreement is written on the workload and the rollout begins at the next
look, so it needs \`mode: enforce\`.

Exit code 0: it is written down, or nothing waits. 2: something waits. 1: something went wrong.

Example: longshore approve cls-9f3kq2vd/default/Deployment/web --by "on call"`,
  run: async (words, io) => {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: { config: { type: 'string' }, by: { type: 'string' }, all: { type: 'boolean' }, links: { type: 'boolean' } },
    })
    return await withStore(io, values.config, async (opened) => {
      const { observed, config } = await look(opened.platform)
      const wishes = approvalsWanted(observed, config)
      if (positionals.length === 0 && values.all !== true) {
        for (const line of wishLines(wishes)) opened.print(line)
        if (values.links === true) for (const line of await linkLines(wishes, config.settings, opened)) opened.print(line)
        return wishes.length === 0 ? 0 : 2
      }
      if (values.links === true) throw new UsageError('--links is for the list; name no workload with it')
      const unknown = positionals.filter((word) => wishes.every(({ workload }) => refName(workload.ref) !== word))
      for (const word of unknown) {
        const near = nearestOnes(word, [...new Set(wishes.map(({ workload }) => refName(workload.ref)))])
        io.err(`Nothing waits on ${word}.${near.length === 0 ? '' : ` Did you mean ${near.join(', ')}?`}`)
      }
      if (unknown.length > 0) return 1
      if (values.by === undefined || values.by.trim() === '') throw new UsageError('say who agrees: --by NAME')
      const by = values.by.trim()
      const chosen = values.all === true ? wishes : wishes.filter(({ workload }) => positionals.includes(refName(workload.ref)))
      const approvals = Map.groupBy(chosen, ({ workload, repository, content }) => JSON.stringify([workload.uid, repository, content]))
      const steps = [...approvals.values()].flatMap(([wish]) =>
        wish === undefined
          ? []
          : planApproval(observed, config, { repository: wish.repository, content: wish.content, uid: wish.workload.uid, by }),
      )
      return await carryOut(definition, steps, opened, io)
    })
  },
}

/** Everything that rules are for, as it is now. */
async function look({ config, cloud, kernel, store, now }: Platform): Promise<{ readonly observed: Seen; readonly config: OwnConfig }> {
  const own = await functionConfig(config, definition)
  const { observed } = await makePlan(definition, { config, cloud, kernel, store, now: now() })
  return { observed, config: own }
}

type OwnConfig = Parameters<typeof definition.observe>[1]

async function testEvent(
  path: string,
  { config: configPath, sandbox, json }: { readonly config?: string; readonly sandbox?: boolean; readonly json?: boolean },
  io: CommandIo,
): Promise<number> {
  const event = parseHttpEvent(await readEvent(resolve(io.cwd, path)))
  const work = async (platform: Platform, print: (line: string) => void): Promise<number> => {
    const own = await functionConfig(platform.config, definition)
    const { hints, source } = hintsOf(event, own.settings)
    if (hints.length === 0) {
      print(`${source} says nothing that is a push: a pull, a blob, a test. Nothing would be done.`)
      return 0
    }
    const { config, cloud, kernel, store } = platform
    const { steps } = await makePlan(lookAtPush(hints), { config, cloud, kernel, store, now: platform.now() })
    if (json === true) print(JSON.stringify({ source, hints, steps }, null, 2))
    else {
      for (const { repository, tag, digest } of hints)
        print(`${source} says: ${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${shortContent(digest)}`}`)
      print('')
      for (const line of planTable({ steps })) print(line)
    }
    return steps.some(({ verdict }) => verdict === 'change') ? 2 : 0
  }
  if (sandbox !== true) return await withStore(io, configPath, ({ platform, print }) => work(platform, print))
  const redactor = createRedactor()
  const platform = await sandboxPlatform({ configPath, cwd: io.cwd, redactor, sandbox: {} })
  try {
    return await work(platform, (line) => io.out(redactor.text(line)))
  } finally {
    await platform.close()
  }
}

function hintsOf(
  event: ReturnType<typeof parseHttpEvent>,
  settings: Settings,
): { readonly hints: readonly PushHint[]; readonly source: string } {
  const found = contentOfRequest(settings, { path: event.path, body: event.body(), headers: event.headers })
  if (found === undefined) {
    const names = Object.keys(settings.sources).map((name) => `/hooks/redeploy-hook/${name}`)
    throw new Error(
      `${event.path} is the address of no configured source. Addresses: ${names.join(', ') || 'none; name one under sources'}`,
    )
  }
  const { source, content } = found
  if (!content.ok) throw new Error(`${source} would be answered 400: ${content.why}`)
  const hints = content.events.flatMap(({ payload }) => {
    const parsed = HookEvent.parse(payload)
    return parsed.kind === 'push' ? parsed.hints : []
  })
  return { hints, source }
}

async function showStatus({ platform, print }: Opened, isJson: boolean): Promise<number> {
  const { config, cloud, kernel, store } = platform
  const { observed, steps } = await makePlan(definition, { config, cloud, kernel, store, now: platform.now() })
  if (isJson) {
    print(JSON.stringify({ workloads: observed.workloads, steps }, null, 2))
    return 0
  }
  const rows = observed.workloads.map((one) => {
    const target = refName(one.ref)
    const why = steps.filter((step) => step.target === target).map(({ reason }) => reason.text)
    if (!isRead(one)) return [target, '', one.problem.code, one.problem.text]
    const images = one.containers.map(({ name, image }) => `${name}=${image.slice(image.lastIndexOf('/') + 1)}`).join(' ')
    return [target, images, one.rollout.kind, why.join('; ')]
  })
  if (rows.length === 0) print('No rule is for any workload.')
  else for (const line of columns(['workload', 'images', 'rollout', 'what comes next'], rows)) print(line)
  return 0
}

async function release(names: readonly string[], opened: Opened, io: CommandIo): Promise<number> {
  const [word, ...more] = names
  const parts = /^([^@]+)@(.+)$/.exec(word ?? '')
  if (word === undefined || more.length > 0 || parts === null)
    throw new UsageError('name one content: longshore release team/web@sha256:0a1b2c')
  const { observed } = await look(opened.platform)
  const [, repository = '', beginning = ''] = parts
  const held = [
    ...observed.holds.filter((one) => one.repository === repository).map(({ content }) => content),
    ...observed.workloads
      .filter(isRead)
      .flatMap(({ record }) =>
        Object.values(record.containers).flatMap(({ bad = [], undone, set }) => [
          ...bad.filter((one) => one.repository === repository).map(({ content }) => content),
          ...(undone === undefined || parseImageName(set?.image ?? '')?.repository !== repository ? [] : [undone.content]),
        ]),
      ),
  ]
  const found = [...new Set(held)].filter((content) => content.startsWith(beginning))
  if (found.length > 1)
    throw new UsageError(`several contents of ${repository} that are held begin so: ${found.map(shortContent).join(', ')}; give more of it`)
  const [content] = found
  if (content === undefined) {
    const all = [...new Set(held)].map((one) => `${repository}@${shortContent(one)}`)
    io.err(`Nothing of ${repository} that begins with ${beginning} is held.${all.length === 0 ? '' : ` Held: ${all.join(', ')}.`}`)
    return 1
  }
  const steps = planRelease(observed.workloads, repository, content)
  if (steps.some(({ verdict }) => verdict === 'change')) return await carryOut(definition, steps, opened, io)
  return await forget(`${repository}@${shortContent(content)}`, content, opened)
}

/** Lets go what no workload has on record any more, and is only remembered. */
async function forget(shown: string, content: string, { platform, print }: Opened): Promise<number> {
  const { config, store, now } = platform
  const where = `${shown} is only remembered as one that failed; the workload that said so is gone`
  if (config.mode !== 'enforce' || store === undefined) {
    print(
      `${where}. Nothing was done: ${config.path ?? 'the configuration'} says mode ${config.mode}; it is forgotten in \`mode: enforce\`.`,
    )
    return 2
  }
  await forgetHolds(createMemory(store, { function: definition.name, now }), content)
  print(`${where}. It is forgotten, and may be tried again.`)
  return 0
}

function wishLines(wishes: readonly ApprovalWish[]): readonly string[] {
  if (wishes.length === 0) return ['Nothing waits for anybody to agree.']
  const rows = wishes.map(({ workload, container, rule, repository, tag, content }) => [
    refName(workload.ref),
    container,
    `${repository}:${tag}`,
    shortContent(content),
    rule,
  ])
  return [...columns(['workload', 'container', 'image', 'content', 'rule'], rows), '', `${counted(wishes.length, 'image')} to agree to.`]
}

/** A link for each wish. Throws SecretUnavailableError when the secret that signs them cannot be read. */
async function linkLines(
  wishes: readonly ApprovalWish[],
  { approval }: Settings,
  { platform, redactor }: Opened,
): Promise<readonly string[]> {
  if (approval === undefined)
    throw new Error(
      'there are no links: functions.redeploy-hook.approval says neither the secret that signs them nor the address they lead to',
    )
  if (wishes.length === 0) return []
  const secret = await createResolver({ env: platform.env })(approval.secret)
  redactor.add(secret)
  const lines = wishes.flatMap((wish) => {
    const link = linkFor(wish, { ...approval, secret }, platform.now())
    return [`${refName(wish.workload.ref)} ${wish.container}  ${wish.repository}:${wish.tag}`, `  ${link}`]
  })
  return ['', ...lines]
}
