import { homedir } from 'node:os'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { asReader } from '#cloud/client.ts'
import { systemClock } from '#cloud/clock.ts'
import { createTransport } from '#cloud/transport.ts'
import { readConfig } from '#infra/local/platform.ts'
import { withPseudonyms } from '#infra/rehearse/pseudonyms.ts'
import { sandboxSnapshot } from '#infra/rehearse/sandbox-snapshot.ts'
import { linesOfSnapshot, type Snapshot } from '#infra/rehearse/snapshot.ts'
import { takeSnapshot, whatIsLeftOut } from '#infra/rehearse/take-snapshot.ts'
import { connect } from '#shared/runtime/connect.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { type Command, type CommandIo, stoppedCode, UsageError } from './command.ts'
import { fileSize, writeWhole } from './license-file.ts'
import { checkOutput, snapshotOutput } from './output-file.ts'
import { configPathOf, counted, parseWhole } from './words.ts'

export const snapshot: Command = {
  summary: 'take a picture of the platform, without secrets, for `longshore rehearse`',
  help: `Usage: longshore snapshot --out world.json [--config FILE | --sandbox [--seed N]] [--pseudonyms]

Reads all that the functions decide by, from the platform of the configuration, and writes it to a file that \`longshore rehearse\`
takes: clusters with their machines, scaling groups, virtual nodes, spare machines, quota and licence; of their Kubernetes objects the
workloads, pods, nodes, autoscalers, disruption budgets and schedules; repositories with their tags, clean-up policies and triggers.
It only ever reads, whatever the mode, and opens no store. With --sandbox it is a sandbox of its own (--seed, 1 when absent).

What is not in the file:
${whatIsLeftOut.map((sentence) => `  - ${sentence}`).join('\n')}
Names of clusters, namespaces, workloads, repositories and their tags, labels, addresses of nodes and ids of machines are in it; with
--pseudonyms machines, addresses, nodes and clusters are called otherwise there (a cluster keeps its id). Two snapshots of the same are
the same but for their time. Texts that people put into labels or into annotations of Longshore (longshore.dev/…) are in it as
well: look before you pass it on.

Exit code 0: all of it was read. 2: the file is there, and something could not be read, which it and the messages say. 1: something
went wrong and no file was written. 130: Ctrl-C came first, and no file was written. A file that is there already is replaced when it
is a snapshot, and else left as it is.

Example: longshore snapshot --sandbox --out world.json`,
  run: async (words, io) => {
    const { values } = parseArgs({
      args: [...words],
      options: {
        out: { type: 'string' },
        config: { type: 'string' },
        sandbox: { type: 'boolean' },
        seed: { type: 'string' },
        pseudonyms: { type: 'boolean' },
      },
    })
    if (values.out === undefined || values.out === '') throw new UsageError('give the file to write: --out world.json')
    if (values.sandbox === true && values.config !== undefined)
      throw new UsageError('--sandbox is a platform of its own: leave --config out')
    if (values.sandbox !== true && values.seed !== undefined) throw new UsageError('--seed is about the sandbox: add --sandbox')
    const seed = values.seed === undefined ? 1 : parseWhole(values.seed, '--seed', 0, 2 ** 31 - 1)
    const path = resolve(io.cwd, values.out)
    await checkOutput(path, snapshotOutput)
    const taken = values.sandbox === true ? await sandboxSnapshot({ seed, folder: io.cwd }) : await ofPlatform(values.config, io)
    if (taken === undefined) {
      io.err('It was stopped before all of it was read: no file was written.')
      return stoppedCode(io.signal)
    }
    const picture = values.pseudonyms === true ? withPseudonyms(taken) : taken
    const sizeBytes = await writeWhole(path, withEnds(linesOfSnapshot(picture)))
    for (const { where, text } of picture.problems) io.err(`${where} could not be read: ${text}`)
    const objects = picture.clusters.reduce((sum, cluster) => sum + cluster.objects.length, 0)
    const tags = picture.registry.repositories.reduce((sum, repository) => sum + repository.tags.length, 0)
    io.out(
      `${values.out}: ${counted(picture.clusters.length, 'cluster')}, ${counted(objects, 'object')}, ${counted(picture.registry.repositories.length, 'repository', 'repositories')}, ${counted(tags, 'tag')}, as of ${picture.takenAt}; ${fileSize(sizeBytes)}.`,
    )
    io.out(`\`longshore rehearse ${values.out} --days 7\` shows what the functions would do with it.`)
    return picture.problems.length === 0 ? 0 : 2
  },
}

/** Undefined when it was stopped on the way. */
async function ofPlatform(configPath: string | undefined, io: CommandIo): Promise<Snapshot | undefined> {
  const redactor = createRedactor()
  const config = await readConfig({ env: io.env, path: configPathOf(configPath, io.env), folder: io.cwd })
  if (config.clusters.length === 0) io.err('No cluster is configured, so there will be none in the snapshot.')
  const cloud = await connect(config, {
    env: io.env,
    clock: systemClock,
    random: Math.random,
    createTransport,
    redactor,
    homeDirectory: homedir(),
  })
  const reader = asReader(cloud)
  try {
    return await takeSnapshot({
      cloud: { send: async (action, request, options) => await reader.send(action, request, { ...options, signal: io.signal }) },
      config,
      source: 'platform',
      now: systemClock.now(),
      signal: io.signal,
      redact: (text) => redactor.text(text),
      onProgress: (text) => io.draw?.(`reading ${redactor.text(text)}`),
    })
  } catch (error) {
    // Whatever a call that was broken off says: somebody wanted it to end.
    if (io.signal.aborted) return undefined
    throw error
  } finally {
    io.draw?.('')
    await cloud.close()
  }
}

function* withEnds(lines: Iterable<string>): Generator<string> {
  for (const line of lines) yield `${line}\n`
}
