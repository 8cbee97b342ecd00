import type { WebhookPage } from '../webhook-definition.ts'
import type { AnyRequest } from './approval-token.ts'

/** What the pages of one kind of approval say. All of it is escaped where it is put in. */
export interface ApprovalTexts<Request extends AnyRequest> {
  /** Title of the page that asks: "Approve a deployment". */
  readonly title: string
  /** What is agreed to, term by term. */
  readonly facts: (request: Request) => readonly (readonly [term: string, fact: string])[]
  /** How far an agreement goes, before the sentence about the end of the link. */
  readonly scope: string
  /** What comes next, after the sentence about when it was taken in. */
  readonly next: string
}

const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 40rem; margin: 3rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem }
dt { opacity: .7 }
dd { margin: 0; overflow-wrap: anywhere; font-family: ui-monospace, monospace }
input, button { font: inherit; padding: .4rem .6rem }
button { background: #0a5; color: #fff; border: 0; border-radius: .3rem; cursor: pointer }
`

/** Asks whether this is to be done. Its button sends a form to the address of the page itself. */
export function askPage<Request extends AnyRequest>(request: Request, { title, facts, scope }: ApprovalTexts<Request>): WebhookPage {
  const until = new Date(request.expiresAt).toISOString()
  return page(
    title,
    `${list(facts(request))}
<p>${escaped(scope)} The link is good until
<time datetime="${until}">${until}</time>.</p>
<form method="post">
<p><label>Your name, for the record (optional): <input name="by" maxlength="100" autocomplete="name"></label></p>
<p><button type="submit">Approve</button></p>
</form>`,
  )
}

/** Says that it is taken in, and when that was. */
export function approvedPage<Request extends AnyRequest>(
  request: Request,
  receivedAt: string,
  { facts, next }: ApprovalTexts<Request>,
): WebhookPage {
  return page(
    'Approved',
    `${list(facts(request))}
<p>Taken in at <time>${escaped(receivedAt)}</time>. ${escaped(next)}</p>`,
  )
}

/** Says why nothing was approved. */
export function refusedPage(why: string): WebhookPage {
  return page('Nothing was approved', `<p>${escaped(why)}</p>`)
}

function list(facts: readonly (readonly [term: string, fact: string])[]): string {
  return `<dl>\n${facts.map(([term, fact]) => `<dt>${escaped(term)}</dt><dd>${escaped(fact)}</dd>`).join('\n')}\n</dl>`
}

function page(title: string, content: string): WebhookPage {
  return {
    html: `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<h1>${escaped(title)}</h1>
${content}
</body>
</html>
`,
    styles: [style],
  }
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '')
}
