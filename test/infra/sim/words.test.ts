import { describe, expect, it } from 'vitest'
import { readWords, UsageError } from '#infra/sim/words.ts'

describe('the words of the command', () => {
  it('say what to do', () => {
    expect(readWords(['--seeds', '500'])).toEqual({ kind: 'many', of: 'cron-scaler', first: 1, count: 500, threads: undefined })
    expect(readWords(['--seeds', '5', '--seed', '7', '--function', 'relative-probe', '--threads', '2'])).toEqual({
      kind: 'many',
      of: 'relative-probe',
      first: 7,
      count: 5,
      threads: 2,
    })
    expect(readWords(['--seed', '7', '--trace'])).toEqual({ kind: 'replay', of: 'cron-scaler', seed: 7, withTrace: true })
    expect(readWords(['--planted'])).toEqual({ kind: 'planted', writes: false })
    expect(readWords(['--planted', '--write'])).toEqual({ kind: 'planted', writes: true })
    expect(readWords([])).toEqual({ kind: 'help' })
    expect(readWords(['--help', '--seeds', '0'])).toEqual({ kind: 'help' })
  })

  it.for([
    [['--seeds', '0'], '--seeds takes a whole number from 1, not "0".'],
    [['--seeds', '1e3'], '--seeds takes a whole number from 1, not "1e3".'],
    [['--seed', 'x'], '--seed takes a whole number from 1, not "x".'],
    [['--seeds', '3', '--threads', '-1'], "Option '--threads' argument is ambiguous"],
    [
      ['--function', 'nothing', '--seed', '1'],
      '--function takes cron-scaler, relative-probe, image-cleaner, redeploy-hook, alarm-scaler or license-meter, not "nothing".',
    ],
    [['--seeds', '2', '--trace'], '--trace goes with one seed: give --seed alone.'],
    [['--planted', '--seed', '2'], '--planted takes no other option but --write'],
    [['--seed', '2', '--write'], '--write goes with --planted.'],
    [['--sed', '2'], "Unknown option '--sed'"],
    [['500'], "Unexpected argument '500'"],
  ] as const)('are refused: %j', ([words, text]) => {
    const read = (): unknown => readWords(words)
    expect(read).toThrow(UsageError)
    expect(read).toThrow(text)
  })
})
