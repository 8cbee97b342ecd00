import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The status page as a server gives it out. */
export interface StatusPage {
  /** The whole page: its script and its style are in it. */
  readonly html: string
  /**
   * What `content-security-policy` is to say with it. The page says the same of itself, but for who may frame it, which only a header
   * can say.
   */
  readonly policy: string
  /** What the page asks for besides, by the part of the path after `/assets/`. A name changes with what is in it. */
  readonly assets: ReadonlyMap<string, { readonly type: string; readonly body: Buffer }>
}

const folder = join(import.meta.dirname, 'page')

let page: Promise<StatusPage> | undefined

/**
 * Bundles the status page when it is asked for first, which takes a fraction of a second, and keeps it: there is nothing to build
 * before the first start and nothing to write anywhere. Where esbuild is not installed (it is a development package) the page
 * is a short one that says so; the JSON that it would show is served all the same. After an error, which a broken installation is,
 * the next call tries again.
 */
export async function loadPage(): Promise<StatusPage> {
  page ??= bundlePage()
  try {
    return await page
  } catch (error) {
    page = undefined
    throw error
  }
}

async function bundlePage(): Promise<StatusPage> {
  const esbuild = await findEsbuild()
  const icon = await readFile(join(folder, 'icon.svg'))
  const iconName = `icon-${createHash('sha256').update(icon).digest('hex').slice(0, 12)}.svg`
  const assets = new Map([[iconName, { type: 'image/svg+xml', body: icon }]])
  if (esbuild === undefined) return { ...htmlOf({ icon: iconName, style: plainStyle, script: undefined, body: withoutEsbuild }), assets }
  const { outputFiles } = await esbuild.build({
    absWorkingDir: folder,
    entryPoints: [
      { in: 'main.tsx', out: 'page' },
      { in: 'page.css', out: 'page' },
    ],
    outdir: folder,
    write: false,
    bundle: true,
    format: 'iife',
    platform: 'browser',
    target: ['chrome120', 'firefox121', 'safari17'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    // Nothing but what is written here decides what comes out.
    tsconfigRaw: {},
    minify: true,
    legalComments: 'none',
    charset: 'utf8',
    logLevel: 'silent',
  })
  // Its process has nothing more to do.
  await esbuild.stop()
  const textOf = (extension: string): string => outputFiles.find(({ path }) => path.endsWith(extension))?.text ?? ''
  return { ...htmlOf({ icon: iconName, style: textOf('.css'), script: textOf('.js'), body: beforeTheScript }), assets }
}

/** The bundler, or undefined where it is not installed. */
async function findEsbuild(): Promise<typeof import('esbuild') | undefined> {
  try {
    return await import('esbuild')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND') return undefined
    throw error
  }
}

const beforeTheScript = `<div id="page"></div>
<noscript><main><h1>Longshore</h1><p>This page needs JavaScript. The same is at <a href="/api/functions">/api/functions</a> as JSON,
described by <a href="/api/openapi.json">/api/openapi.json</a>, and at <a href="/healthz">/healthz</a>.</p></main></noscript>`

const withoutEsbuild = `<main><h1>Longshore</h1>
<p>The status page is put together by esbuild, which is not installed here: development packages were left out.
Run <code>npm ci</code> without <code>--omit=dev</code> and start again.</p>
<p>What it would show is served all the same: <a href="/api/functions">/api/functions</a>, described by
<a href="/api/openapi.json">/api/openapi.json</a>, <a href="/metrics">/metrics</a> and <a href="/healthz">/healthz</a>.</p></main>`

const plainStyle = ':root{color-scheme:light dark}body{max-width:40rem;margin:3rem auto;padding:0 1rem;font:1rem/1.5 system-ui,sans-serif}'

/**
 * A page that runs its own script and style, known by their hashes, and nothing else; that asks its own server and nobody else.
 * Throws when a script or style would end the element that it stands in.
 */
function htmlOf(parts: {
  readonly icon: string
  readonly style: string
  readonly script: string | undefined
  readonly body: string
}): Pick<StatusPage, 'html' | 'policy'> {
  for (const text of [parts.style, parts.script ?? '']) {
    if (/<\/(style|script)|<!--/i.test(text))
      throw new Error('the bundled page holds "</script", "</style" or "<!--" and cannot stand in HTML')
  }
  const policy = [
    "default-src 'none'",
    `script-src ${parts.script === undefined ? "'none'" : hashOf(parts.script)}`,
    `style-src ${hashOf(parts.style)}`,
    // The pictures in Pico's style are data; the icon is ours.
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ')
  const html = [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    '<meta name="referrer" content="no-referrer">',
    `<link rel="icon" type="image/svg+xml" href="/assets/${parts.icon}">`,
    '<title>Longshore</title>',
    `<style>${parts.style}</style>`,
    '</head>',
    '<body>',
    parts.body,
    ...(parts.script === undefined ? [] : [`<script>${parts.script}</script>`]),
    '</body>',
    '</html>',
    '',
  ].join('\n')
  return { html, policy: `${policy}; frame-ancestors 'none'` }
}

/** The source that allows exactly this text. */
function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}
