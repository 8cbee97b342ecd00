import { runCli } from '#infra/cli/main.ts'

/** A process that runs `longshore license …` as the command line does, and tells its parent how long it took from its start, and its memory. */
const [folder = '', ...words] = process.argv.slice(2)
let printed = 0
const problems: string[] = []
const code = await runCli(['license', ...words], {
  out: (line) => {
    printed += line.length + 1
  },
  err: (line) => problems.push(line),
  env: {},
  cwd: folder,
  signal: new AbortController().signal,
})
if (code !== 0) throw new Error(`longshore license ${words.join(' ')} ended with ${code}: ${problems.join(' ')}`)
const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage()
process.send?.({ seconds: performance.now() / 1000, cpuSeconds: (userCPUTime + systemCPUTime) / 1e6, peakMib: maxRSS / 1024, printed })
