import { execFile } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runCli } from '#infra/cli/main.ts'
import { barText, createProgress } from '#infra/cli/progress.ts'
import { sandboxCredential } from '#infra/sandbox/test-credentials.ts'
import { type ImagePlatform, keeping, openImagePlatform } from './image-platform.ts'

let platform: ImagePlatform
const env = { TENCENTCLOUD_SECRET_ID: sandboxCredential.secretId, TENCENTCLOUD_SECRET_KEY: sandboxCredential.secretKey }

beforeEach(async () => {
  platform = await openImagePlatform()
  for (const [index, tag] of ['v1', 'v2', 'v3', 'v4'].entries()) platform.push('shop/web', tag, 40 - index)
  platform.push('shop/web', 'stable', 38, { content: 'shop/web:v2' })
  platform.push('shop/api', 'v1', 60, { content: 'shop/web:v1' })
  platform.push('shop/api', 'v2', 50)
  platform.push('pay/ledger', 'v1', 90, { content: 'shop/web:v3' })
})

afterEach(async () => {
  await platform.close()
})

describe('longshore images report', () => {
  it('prints per repository what becomes of each content and why, what goes first, and counts bytes once', async () => {
    platform.use('shop', 'shop/web:stable')
    await platform.configure('plan', keeping({ last: 1 }))
    const ran = await platform.longshore('images', 'report')
    expect([ran.code, ran.err]).toEqual([0, ''])
    const lines = ran.out.split('\n')
    expect(lines[0]).toMatch(/^harbour \(cls-e0000001\) uses 1 image of this registry in 1 pod\.$/)
    expect(lines.filter((line) => /^\S+\/\S+ {2}/.test(line))).toEqual([
      'ops/tools  1 tag: 1 kept, 0 going, 0 waiting  no policy is for this repository',
      'pay/ledger  1 tag: 1 kept, 0 going, 0 waiting  no policy is for this repository',
      'shop/api  2 tags: 1 kept, 1 going (1.0 KiB), 0 waiting',
      'shop/web  5 tags: 3 kept, 2 going (2.0 KiB), 0 waiting',
    ])
    const web = lines.slice(lines.findIndex((line) => line.startsWith('shop/web')) + 1)
    expect(web.map((line) => line.split(/ {2,}/).slice(0, 2).join('|')).slice(0, 5)).toEqual([
      'verdict|tag',
      'going|v3',
      'going|v1',
      'kept|v4',
      'kept|stable = v2',
    ])
    expect(web[1]).toMatch(/pushed 38 days ago, not in use, and no rule of services keeps it$/)
    expect(web[4]).toMatch(/in use by .*prod\/shop.* in harbour/)
    expect(ran.out).not.toMatch(/ in cls-/)
    // v3 is kept in pay/ledger, and v1 goes twice: one kibibyte.
    expect(lines.at(-1)).toBe(
      '4 repositories: 6 tags are kept, 3 go and free 1.0 KiB once the copies in the quarantine are gone, after 7 days, 0 wait. Each content counts once; layers that others share free less.',
    )
    expect(platform.writes()).toBe(0)
  })

  it('as JSON is one whole document, with one line for each repository and every tag in it', async () => {
    await platform.configure('plan', keeping({ last: 1 }, { caps: { perRun: 1 } }))
    const ran = await platform.longshore('images', 'report', '--json')
    expect([ran.code, ran.err]).toEqual([0, ''])
    const report = JSON.parse(ran.out)
    expect(ran.out.split('\n')).toHaveLength(report.repositories.length + 2)
    expect(report).toMatchObject({
      mode: 'plan',
      clusters: [{ id: 'cls-e0000001' }],
      totals: { repositories: 4, tags: { kept: 4, going: 1, waiting: 4 }, bytes: { kept: expect.any(Number), going: 0, waiting: 2048 } },
      problems: [],
    })
    const web = report.repositories.find(({ repository }: { repository: string }) => repository === 'shop/web')
    expect(web.tags.map(({ name, verdict }: { name: string; verdict: string }) => `${name} ${verdict}`).toSorted()).toEqual([
      'stable waiting',
      'v1 waiting',
      'v2 waiting',
      'v3 waiting',
      'v4 kept',
    ])
    expect(web.tags.find(({ name }: { name: string }) => name === 'stable')).toMatchObject({
      sharesContentWith: ['v2'],
      reasons: [{ code: 'expired' }, { code: 'over-cap' }],
      sizeBytes: 1024,
      contentId: expect.stringMatching(/^sha256:/),
      pushedAt: expect.stringMatching(/Z$/),
    })
  })

  it('with --changes shows only what goes or waits, and counts everything all the same', async () => {
    await platform.configure('plan', keeping({ last: 1 }, { caps: { perRun: 1 } }))
    const text = await platform.longshore('images', 'report', '--changes')
    expect(text.out).toContain('shop/web  5 tags: 1 kept, 0 going, 4 waiting (3.0 KiB)')
    expect(text.out).not.toMatch(/^kept /m)
    expect(text.out).not.toContain('ops/tools')
    const report = JSON.parse((await platform.longshore('images', 'report', '--changes', '--json')).out)
    expect(report.repositories.map(({ repository }: { repository: string }) => repository)).toEqual(['shop/api', 'shop/web'])
    const verdicts = report.repositories.flatMap(({ tags }: { tags: { verdict: string }[] }) => tags.map(({ verdict }) => verdict))
    expect(new Set(verdicts)).toEqual(new Set(['going', 'waiting']))
    expect(report.totals).toMatchObject({ repositories: 4, tags: { kept: 4, going: 1, waiting: 4 } })
    expect((await platform.longshore('images', 'report', '--changes', '--html', 'report.html')).code).toBe(0)
    const page = await readFile(join(platform.folder, 'report.html'), 'utf8')
    expect(page.match(/<h2 id="repository-\d+">/g)).toHaveLength(2)
  })

  describe('hints at what the configuration says for nothing', () => {
    const hintsOf = async (settings: object, ...more: string[]): Promise<readonly string[]> => {
      await platform.configure('plan', settings)
      const ran = await platform.longshore('images', 'report', '--json', ...more)
      expect([ran.code, ran.err]).toEqual([0, ''])
      return JSON.parse(ran.out).hints
    }
    const policy = (keep: object, more: object = {}) => ({ name: 'other', repositories: ['shop/*'], keep, ...more })

    it('none where everything is for something', async () => {
      const rules = { last: 1, days: 1, tags: ['sta*'], pattern: 'v\\d', protected: ['v1'] }
      expect(await hintsOf(keeping(rules, { protect: ['shop/web:v3'] }))).toEqual([])
    })

    it('a policy for no repository', async () => {
      const policies = [policy({ last: 1 }, { repositories: ['sohp/*', 'x'] })]
      const text = 'the policy other is for no repository: none of the 4 that there are is like sohp/*, x'
      expect(await hintsOf(keeping({}, { policies }))).toEqual([text])
      expect(await hintsOf(keeping({}, { policies }), '--repository', 'shop/*')).toEqual([text])
      expect(await hintsOf(keeping({}, { policies: [{ ...policies[0], paused: true }] }))).toEqual([])
    })

    it('a policy that keeps nothing anywhere', async () => {
      const policies = [policy({ tags: ['release-*'] })]
      const hints = await hintsOf(keeping({}, { policies }))
      expect(hints).toEqual(['the policy other keeps nothing anywhere: no rule of it matches any tag of its 2 repositories'])
    })

    it('rules and protections that no tag is like, by what they say', async () => {
      const rules = { last: 1, tags: ['rel-*'], pattern: 'x.*', semver: { newest: 1 }, protected: ['latst'] }
      expect(await hintsOf(keeping({}, { policies: [policy(rules)], protect: ['shop/wbe:*'] }))).toEqual([
        'the policy other: tags rel-* keeps no tag of its 2 repositories; it may be misspelt',
        'the policy other: pattern x.* keeps no tag of its 2 repositories; it may be misspelt',
        'the policy other: semver keeps no tag of its 2 repositories; it may be misspelt',
        'the policy other: protected latst keeps no tag of its 2 repositories; it may be misspelt',
        'protect: shop/wbe:* is like no image that there is; it may be misspelt',
      ])
      expect(await hintsOf(keeping({}, { policies: [policy(rules)], protect: ['shop/wbe:*'] }), '--repository', 'shop/*')).toEqual([])
    })

    it('none at names where not everything could be read', async () => {
      await platform.configure('plan', keeping({ last: 1, protected: ['latst'] }, { protect: ['shop/wbe:*'] }))
      platform.sandbox.faults.add({
        match: { action: 'DescribeImagePersonal' },
        fault: { kind: 'internal-error', when: 'before' },
        count: 3,
      })
      const ran = await platform.longshore('images', 'report', '--json')
      expect([ran.code, JSON.parse(ran.out).hints]).toEqual([1, []])
    })

    it('another name by which clusters pull from the registry', async () => {
      platform.use('one', 'shop/web:v1')
      platform.use('two', 'mirror.example.com/shop/api:v1', '')
      const text =
        'clusters pull shop/api from mirror.example.com, which is not among `hosts`: if that is this registry by another name, add it, or what they use is not protected'
      expect(await hintsOf(keeping({ last: 1 }))).toEqual([text])
      expect(await hintsOf(keeping({ last: 1 }, { hosts: ['ccr.ccs.tencentyun.com', 'mirror.example.com'] }))).toEqual([])
    })

    it('are printed with the table and with the page', async () => {
      await platform.configure('plan', keeping({ last: 1, protected: ['latst'] }))
      const hint = 'Hint: the policy services: protected latst keeps no tag of its 2 repositories; it may be misspelt.'
      expect((await platform.longshore('images', 'report')).out.split('\n').at(-1)).toBe(hint)
      expect((await platform.longshore('images', 'report', '--html', 'report.html')).out).toContain(hint)
      expect(await readFile(join(platform.folder, 'report.html'), 'utf8')).toContain(`<p class="warn">${hint}</p>`)
    })
  })

  it.each([40, 80, 120])('fits a terminal of %i columns, with everything that it says without one', async (columns) => {
    platform.use('shop', 'shop/web:stable')
    for (let index = 0; index < 3; index += 1)
      platform.push('shop/web', `v5-a-rather-long-name-of-a-tag-${index}`, 30, { content: 'shop/web:v4' })
    await platform.configure('plan', keeping({ last: 1, protected: ['latst'] }, { caps: { perRun: 1 } }))
    const lines: string[] = []
    const code = await runCli(['images', 'report'], {
      out: (line) => lines.push(line),
      err: () => undefined,
      terminalColumns: () => columns,
      env,
      cwd: platform.folder,
      signal: new AbortController().signal,
    })
    expect([code, lines.filter((line) => line.length > columns)]).toEqual([0, []])
    const words = (text: string) => text.split(/\s+/).filter((word) => word !== '')
    const wide = (await platform.longshore('images', 'report')).out
    // Only the heading of the column is left out where reasons stand below their tags.
    const missing = words(wide).filter((word) => !lines.join('\n').includes(word) && word !== 'why')
    expect(columns === 40 ? [] : missing).toEqual([])
    if (columns === 80) expect(lines).toContain('         pushed 38 days ago, not in use, and no rule of services keeps it; at')
  })

  it('takes some repositories only; none that is like that is a mistake', async () => {
    await platform.configure('plan', keeping({ last: 1 }))
    const some = JSON.parse(
      (await platform.longshore('images', 'report', '--json', '--repository', 'shop/*', '--repository', 'pay/**')).out,
    )
    expect(some.repositories.map(({ repository }: { repository: string }) => repository)).toEqual(['pay/ledger', 'shop/api', 'shop/web'])
    const none = await platform.longshore('images', 'report', '--json', '--repository', 'sh/*')
    expect([none.code, none.err]).toEqual([1, 'no repository is like sh/*'])
    expect(JSON.parse(none.out)).toMatchObject({ repositories: [], totals: { repositories: 0 } })
  })

  it('says what could not be read, keeps all of it, and ends with 1', async () => {
    await platform.configure('plan', keeping({ last: 1 }))
    platform.sandbox.faults.add({ fault: { kind: 'rbac-403' } })
    const ran = await platform.longshore('images', 'report', '--json')
    expect(ran.code).toBe(1)
    expect(ran.err).toContain('harbour (cls-e0000001) cannot be read:')
    expect(JSON.parse(ran.out)).toMatchObject({
      nothingIsRemoved: { code: 'cluster-unreadable' },
      totals: { tags: { going: 0, waiting: 0 } },
    })
    platform.sandbox.faults.clear()
    platform.sandbox.faults.add({ match: { action: 'DescribeImagePersonal' }, fault: { kind: 'internal-error', when: 'before' } })
    const other = await platform.longshore('images', 'report')
    expect([other.code, other.err]).toEqual([1, expect.stringMatching(/^ops\/tools: its tags could not be read whole/m)])
  })

  it('writes a page that calls nothing and runs nothing, whatever the names are', async () => {
    const hostile = '<img src=x onerror=alert(1)>'
    await platform.configure(
      'plan',
      keeping(
        { last: 1, tags: ['stable'] },
        { policies: [{ name: hostile, repositories: ['shop/*'], keep: { last: 1, tags: ['sta*'] } }] },
      ),
    )
    platform.use('shop', 'shop/web:v3')
    const ran = await platform.longshore('images', 'report', '--html', 'report.html')
    expect([ran.code, ran.err]).toEqual([0, ''])
    expect(ran.out).toMatch(/report\.html: 4 repositories: /)
    const page = await readFile(join(platform.folder, 'report.html'), 'utf8')
    expect(page).toMatch(/^<!doctype html>\n<html lang="en">[\s\S]*<\/html>\n$/)
    expect(page).toContain('Content-Security-Policy')
    expect(page).not.toContain(hostile)
    expect(page).toContain('&lt;img src=x onerror=alert(1)&gt;: number 1 of the newest 1')
    expect(page).not.toMatch(/(src|href)="(?!#|data:)/)
    for (const text of ['shop/web', 'stable = v2', 'in use by', 'What becomes of the images', 'harbour (cls-e0000001)'])
      expect(page).toContain(text)
    expect(page.match(/<h2 id="repository-\d+">/g)).toHaveLength(4)
    // Nothing is left beside it, and a page that is there already is replaced.
    expect((await readdir(platform.folder)).filter((name) => name.startsWith('report'))).toEqual(['report.html'])
    await writeFile(join(platform.folder, 'report.html'), 'old')
    expect((await platform.longshore('images', 'report', '--html', 'report.html')).code).toBe(0)
    expect(await readFile(join(platform.folder, 'report.html'), 'utf8')).toContain('What becomes of the images')
  })

  it('leaves an old page alone and no part of a new one when it is stopped', async () => {
    await platform.configure('plan', keeping({ last: 1 }))
    await writeFile(join(platform.folder, 'report.html'), 'old')
    const stop = new AbortController()
    const err: string[] = []
    const code = await runCli(['images', 'report', '--html', 'report.html'], {
      out: () => undefined,
      err: (line) => err.push(line),
      draw: (line) => {
        if (line.includes('pay/ledger')) stop.abort()
      },
      env,
      cwd: platform.folder,
      signal: stop.signal,
    })
    expect([code, err]).toEqual([130, ['Stopped before it was done.']])
    expect(await readFile(join(platform.folder, 'report.html'), 'utf8')).toBe('old')
    expect((await readdir(platform.folder)).filter((name) => name.startsWith('report'))).toEqual(['report.html'])
  })

  it('works on a fresh sandbox', async () => {
    const ran = await platform.longshore('images', 'report', '--sandbox', '--json')
    expect([ran.code, ran.err]).toEqual([0, ''])
    expect(JSON.parse(ran.out).repositories.length).toBeGreaterThan(5)
  })

  it.each([
    [[], 'longshore images report'],
    [['raport'], 'longshore images report'],
    [['report', '--json', '--html', 'x'], 'choose one'],
    [['report', '--repository', 'shop/[a]'], 'is not supported'],
  ])('words that say something else are explained: %j', async (words, text) => {
    await platform.configure('plan', keeping({ last: 1 }))
    expect(await platform.longshore('images', ...words)).toMatchObject({ code: 1, err: expect.stringContaining(text) })
  })
})

describe('the progress bar', () => {
  const run = promisify(execFile)
  const longshore = join(import.meta.dirname, '../../../infra/cli/longshore.mjs')

  it('is drawn on the terminal, and taken away before each line that is printed', async () => {
    await platform.configure('plan', keeping({ last: 1 }))
    const seen: string[] = []
    const code = await runCli(['images', 'report'], {
      out: (line) => seen.push(`out ${line}`),
      err: (line) => seen.push(`err ${line}`),
      draw: (line) => seen.push(`bar ${line}`),
      env,
      cwd: platform.folder,
      signal: new AbortController().signal,
    })
    expect(code).toBe(0)
    expect(seen).toContain('bar [------------------------]  0/0  the clusters')
    expect(seen).toContain('bar [##################------]  3/4  shop/api')
    expect(seen).toContain('bar [########################]  4/4  shop/web')
    for (const [index, line] of seen.entries()) {
      if (line.startsWith('bar [') && seen[index + 1]?.startsWith('out'))
        throw new Error(`a line is printed over the bar: ${seen[index + 1]}`)
    }
    expect(seen.filter((line) => line.startsWith('bar ')).at(-1)).toBe('bar ')
  })

  it('is nowhere in a log', async () => {
    await platform.configure('plan', keeping({ last: 1 }))
    const { stdout, stderr } = await run(process.execPath, [longshore, 'images', 'report'], {
      cwd: platform.folder,
      env: { ...process.env, ...env },
    })
    expect(stderr).toBe('')
    expect(stdout).toContain('shop/web  5 tags')
    for (const text of ['\r', '\u001b', '###', '-----']) expect(stdout).not.toContain(text)
  })

  it('is drawn on a real terminal, in its width, and nothing of it is left', async () => {
    await platform.configure('plan', keeping({ last: 1 }))
    // util-linux runs a command on a pseudo-terminal of its own.
    const command = `stty cols 60; exec '${process.execPath}' '${longshore}' images report --html report.html`
    const { stdout } = await run('script', ['-qec', command, '/dev/null'], { cwd: platform.folder, env: { ...process.env, ...env } })
    const drawn = stdout.split('\r\u001b[K')
    expect(drawn).toContain('[############------------]  2/4  pay/ledger')
    expect(drawn.at(-1)).toMatch(/^[^[]*report\.html: 4 repositories: /)
    expect(drawn.slice(1, -1).filter((line) => line.length > 59)).toEqual([])
  })

  it('draws nothing where there is nothing to draw on, and no control characters', () => {
    const lines: string[] = []
    const progress = createProgress({}, (line) => lines.push(line))
    progress.at(1, 2, 'shop/web')
    progress.print('a line')
    progress.end()
    expect(lines).toEqual(['a line'])
    expect(barText(1, 2, 'a\u001b[2Jb')).toBe('[############------------]  1/2  a [2Jb')
    expect(barText(9, 2, '')).toContain('[########################]  9/2')
  })
})
