import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { nearest } from '#shared/pure/nearest.ts'
import type { Command, CommandIo } from './command.ts'
import { UsageError } from './command.ts'

/** The commands by name; each is loaded only when it is called, so that `--help` is quick. */
const commands: Readonly<Record<string, { readonly summary: string; readonly load: () => Promise<Command> }>> = {
  start: {
    summary: 'run the functions here: on the sandbox, or on a real platform with --config',
    load: async () => (await import('./start.ts')).start,
  },
  sandbox: {
    summary: 'run the sandbox cloud alone, for your own client or kubectl',
    load: async () => (await import('./sandbox.ts')).sandbox,
  },
  validate: { summary: 'check a longshore.yaml', load: async () => (await import('./validate.ts')).validate },
  call: { summary: 'send one signed API call, or print it with --dry-run', load: async () => (await import('./call.ts')).call },
  plan: { summary: 'show what a function would do now, and keep it for review', load: async () => (await import('./plan.ts')).plan },
  preview: {
    summary: 'show what the schedules will do over days or years',
    load: async () => (await import('./preview.ts')).preview,
  },
  forecast: {
    summary: 'say whether there will be nodes, addresses, quota and licence for what the schedules will ask for',
    load: async () => (await import('./forecast.ts')).forecast,
  },
  lint: { summary: 'find rules that cannot do what was meant', load: async () => (await import('./lint.ts')).lint },
  shadow: {
    summary: 'compare with the controller that scales by the same rules now',
    load: async () => (await import('./shadow.ts')).shadow,
  },
  apply: { summary: 'carry out a plan that was reviewed', load: async () => (await import('./apply.ts')).apply },
  explain: {
    summary: 'say why an image is kept, or why it goes',
    load: async () => (await import('./explain.ts')).explain,
  },
  images: {
    summary: 'say of every image in the registry what becomes of it and why',
    load: async () => (await import('./images.ts')).images,
  },
  restore: {
    summary: 'bring back a tag that the image cleaner removed',
    load: async () => {
      const [{ createRestoreCommand }, { askOnTerminal }] = await Promise.all([import('./restore.ts'), import('./ask.ts')])
      return createRestoreCommand(askOnTerminal)
    },
  },
  redeploy: {
    summary: 'try an event on the redeploy hook, see what is held, and let it go on',
    load: async () => (await import('./redeploy.ts')).redeploy,
  },
  approve: {
    summary: 'agree to images that wait for somebody to agree',
    load: async () => (await import('./redeploy.ts')).approve,
  },
  alarm: {
    summary: 'try an alarm on the alarm scaler',
    load: async () => (await import('./alarm.ts')).alarm,
  },
  leases: {
    summary: 'show which nodes were added for which alarm, and give them back or keep them',
    load: async () => (await import('./leases.ts')).leases,
  },
  replay: {
    summary: 'run past alarms through the policies that are configured or proposed',
    load: async () => (await import('./replay.ts')).replay,
  },
  snapshot: {
    summary: 'take a picture of the platform, without secrets, for `longshore rehearse`',
    load: async () => (await import('./snapshot.ts')).snapshot,
  },
  rehearse: {
    summary: 'go through days to come on a snapshot, and show what would be scaled, bought, deleted and deployed',
    load: async () => (await import('./rehearse.ts')).rehearse,
  },
  backtest: {
    summary: 'replay what was seen of the registry against a policy',
    load: async () => (await import('./backtest.ts')).backtest,
  },
  journal: {
    summary: 'show what was done and why, and check that nobody changed it',
    load: async () => (await import('./journal.ts')).journal,
  },
  undo: { summary: 'take back one change, as far as what was there before allows', load: async () => (await import('./undo.ts')).undo },
  switch: {
    summary: 'stop every function at once, or let them run again',
    load: async () => (await import('./kill-switch.ts')).killSwitch,
  },
  guard: {
    summary: 'show what holds changes back now, and how much of the caps is used',
    load: async () => (await import('./guard.ts')).guard,
  },
  policy: {
    summary: 'print the least access policy that a function needs',
    load: async () => (await import('./policy.ts')).policy,
  },
  'dead-letters': {
    summary: 'look at events that nobody tries any more, try them again or give them up',
    load: async () => {
      const [{ createDeadLettersCommand }, { openConfiguredStore }] = await Promise.all([
        import('./dead-letters.ts'),
        import('./with-platform.ts'),
      ])
      return createDeadLettersCommand(openConfiguredStore)
    },
  },
  license: {
    summary: 'show what the licence meter has measured, what is still free, and prove it to others',
    load: async () => (await import('./license.ts')).license,
  },
  hpc: {
    summary: 'write, list, delete and convert HPC objects, the schedules that live in clusters',
    load: async () => {
      const [{ createHpcCommand }, { askOnTerminal }] = await Promise.all([import('./hpc.ts'), import('./ask.ts')])
      return createHpcCommand(askOnTerminal)
    },
  },
  notify: {
    summary: 'send a test message through the notifiers, or show what still waits to be sent',
    load: async () => (await import('./notify.ts')).notify,
  },
  cron: { summary: 'show when a schedule fires', load: async () => (await import('./cron.ts')).cron },
  invoke: { summary: 'run one function on one event file', load: async () => (await import('./invoke.ts')).invoke },
}

/** Runs the command that the words name and answers its exit code. Mistakes in the words are explained, not thrown. */
export async function runCli(words: readonly string[], io: CommandIo): Promise<number> {
  const [name, ...rest] = words
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    io.out(overview())
    return name === undefined ? 1 : 0
  }
  if (name === '--version' || name === '-v' || name === 'version') {
    io.out(`longshore ${await versionOf()}`)
    return 0
  }
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (entry === undefined) {
    const near = nearest(name, Object.keys(commands))
    io.err(
      `longshore: there is no command "${name}".${near === undefined ? '' : ` Did you mean "${near}"?`} \`longshore --help\` lists them.`,
    )
    return 1
  }
  const command = await entry.load()
  if (rest.includes('--help') || rest.includes('-h')) {
    io.out(command.help)
    return 0
  }
  try {
    return await command.run(rest, io)
  } catch (error) {
    if (error instanceof UsageError || isParseArgsError(error)) {
      io.err(`longshore ${name}: ${error instanceof UsageError ? error.message : optionTrouble(error, command.help)}`)
      io.err(`\`longshore ${name} --help\` explains it.`)
      return 1
    }
    io.err(`longshore ${name}: ${error instanceof Error ? error.message : String(error)}`)
    if (io.env.LONGSHORE_DEBUG === '1' && error instanceof Error) io.err(error.stack ?? '')
    return 1
  }
}

/** The version of this project, and of the Node that runs it. */
async function versionOf(): Promise<string> {
  const file: unknown = JSON.parse(await readFile(join(import.meta.dirname, '../../package.json'), 'utf8'))
  const version = typeof file === 'object' && file !== null && 'version' in file ? String(file.version) : 'of no version'
  return `${version} (Node ${process.versions.node})`
}

function overview(): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length))
  return [
    'Longshore: the chores of a TKE and TCR platform, decided with reasons.',
    '',
    'Usage: longshore <command> [options]; `longshore <command> --help` says more. `longshore --version` says which one it is.',
    '',
    ...Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`),
  ].join('\n')
}

/** What `parseArgs` of Node throws for an unknown option or a missing value. */
function isParseArgsError(error: unknown): error is Error & { readonly code: string } {
  return error instanceof TypeError && 'code' in error && typeof error.code === 'string' && error.code.startsWith('ERR_PARSE_ARGS_')
}

/** The same in words of our own. Which options there are is in the command's help. */
function optionTrouble({ code, message }: Error & { readonly code: string }, help: string): string {
  const [, quoted = ''] = /'([^']*)'/.exec(message) ?? []
  const option = /--?[A-Za-z][\w-]*/.exec(quoted)?.[0] ?? quoted
  switch (code) {
    case 'ERR_PARSE_ARGS_UNKNOWN_OPTION': {
      const known = [...new Set(help.match(/(?<![\w-])--[a-z][a-z-]*/g) ?? [])]
      const near = nearest(option, known)
      return `there is no option ${option}${near === undefined ? '' : `; did you mean "${near}"?`}`
    }
    case 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE':
      if (message.includes('does not take')) return `${option} takes no value`
      if (message.includes('ambiguous')) return `${option} takes a value; one that begins with "-" is written as ${option}=-1`
      return `${option} takes a value, and there is none`
    case 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL':
      return `"${quoted}" is one word too many`
    default:
      return message
  }
}
