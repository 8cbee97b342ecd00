import { saying, verdictOfStatus } from './answers.ts'
import type { Channel, ChannelAnswer, Verdict } from './channel.ts'
import { bytesOf, fitMessage } from './fit.ts'
import type { Message, Paragraph } from './message.ts'
import { signAws } from './sign-aws.ts'

/** Of the message in UTF-8: 256 KiB. */
const mostBytes = 262_144
/** Of the subject, which is ASCII without line breaks. */
const mostInSubject = 99

const throttles = new Set(['Throttling', 'Throttled', 'ThrottledException', 'ThrottlingException', 'KMSThrottling', 'RequestLimitExceeded'])
const refusals = new Set(['InvalidParameter', 'InvalidParameterValue', 'ValidationError', 'ParameterValueInvalid'])

/**
 * A topic of Amazon SNS, and by it e-mail: whoever subscribes with an address gets subject and text. Signed with Signature Version
 * 4. A FIFO topic drops by itself what comes twice within five minutes.
 */
export const sns: Channel = {
  request: (message, { url, topic = '', keys }, now) => {
    if (keys === undefined) throw new TypeError('a topic cannot be published to without keys')
    const isFifo = topic.endsWith('.fifo')
    const form = new URLSearchParams({
      Action: 'Publish',
      Version: '2010-03-31',
      TopicArn: topic,
      Subject: subjectOf(message.title),
      Message: textOf(message),
      ...(isFifo ? { MessageGroupId: 'longshore', MessageDeduplicationId: message.id } : {}),
    })
    const body = form.toString()
    const headers = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' }
    const region = topic.split(':')[3] ?? ''
    const signed = signAws({ method: 'POST', host: url.host, path: '/', headers, body, service: 'sns', region, keys, now })
    return { path: '/', headers: { ...headers, ...signed }, body }
  },
  read: (answer) => {
    const verdict = verdictOfStatus(answer)
    if (verdict.kind === 'delivered') {
      if (/<MessageId>[^<]+<\/MessageId>/.test(answer.text)) return verdict
      return { kind: 'failed', code: 'notify.no-code', text: `the answer names no message${saying(answer.text)}` }
    }
    return verdictOfError(answer, verdict)
  },
}

/** The code and the message of an error, as they stand in its XML. */
function verdictOfError({ text }: ChannelAnswer, byStatus: Exclude<Verdict, { kind: 'delivered' }>): Verdict {
  const code = /<Code>([A-Za-z0-9.]{1,80})<\/Code>/.exec(text)?.[1]
  if (code === undefined) return byStatus.kind === 'refused' ? { ...byStatus, kind: 'failed' } : byStatus
  const said = /<Message>([^<]{1,400})<\/Message>/.exec(text)?.[1] ?? ''
  const facts = { code: `notify.sns-${code}`, text: `the topic answered ${code}${saying(said)}` }
  if (throttles.has(code)) return { kind: 'throttled', waitMs: 60_000, ...facts }
  return { kind: refusals.has(code) ? 'refused' : 'failed', ...facts }
}

/** What a mail shows as its subject: other letters than ASCII's become question marks. */
function subjectOf(title: string): string {
  const ascii = title
    .replaceAll('·', '-')
    .normalize('NFKD')
    .replace(/[^\x20-\x7e]+/g, '?')
  return ascii.slice(0, mostInSubject).trim()
}

function textOf(message: Message): string {
  const render = (paragraphs: readonly Paragraph[]): string =>
    [
      message.title,
      '',
      ...paragraphs.map((paragraph) => (paragraph.kind === 'text' ? paragraph.text : `${paragraph.text}: ${paragraph.url}`)),
    ].join('\n')
  return render(fitMessage(message, (paragraphs) => bytesOf(render(paragraphs)) <= mostBytes))
}
