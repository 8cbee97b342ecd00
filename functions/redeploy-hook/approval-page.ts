import type { WebhookPage } from '#shared/runtime/webhook-definition.ts'
import type { ApprovalRequest } from './approval-token.ts'

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

/** Asks whether this is to be deployed there. Its button sends a form to the address of the page itself. */
export function askPage(request: ApprovalRequest): WebhookPage {
  const until = new Date(request.expiresAt).toISOString()
  return page(
    'Approve a deployment',
    `${factsOf(request)}
<p>Only this content is approved. When something else is pushed under the tag, it has to be approved again. The link is good until
<time datetime="${until}">${until}</time>.</p>
<form method="post">
<p><label>Your name, for the record (optional): <input name="by" maxlength="100" autocomplete="name"></label></p>
<p><button type="submit">Approve</button></p>
</form>`,
  )
}

/** Says that it is taken in, and when that was. */
export function approvedPage(request: ApprovalRequest, receivedAt: string): WebhookPage {
  return page(
    'Approved',
    `${factsOf(request)}
<p>Taken in at <time>${escaped(receivedAt)}</time>. It is deployed as soon as the registry has been read again and nothing else holds it
back; if the content has changed meanwhile, nothing is deployed.</p>`,
  )
}

/** Says why nothing was approved. */
export function refusedPage(why: string): WebhookPage {
  return page('Nothing was approved', `<p>${escaped(why)}</p>`)
}

function factsOf({ repository, tag, contentId, cluster, namespace, kind, name, container }: ApprovalRequest): string {
  const facts = [
    ['image', `${repository}:${tag}`],
    ['content', contentId],
    ['cluster', cluster],
    ['workload', `${namespace}/${kind}/${name}`],
    ['container', container],
  ] as const
  return `<dl>\n${facts.map(([term, fact]) => `<dt>${term}</dt><dd>${escaped(fact)}</dd>`).join('\n')}\n</dl>`
}

function page(title: string, content: string): WebhookPage {
  return {
    html: `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${style}</style>
</head>
<body>
<h1>${title}</h1>
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
