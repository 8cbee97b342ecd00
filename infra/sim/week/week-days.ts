import type { Violation } from '../check/facts.ts'
import type { Effect, Happening, History } from '../history.ts'
import type { WeekScenario } from './draw-week.ts'

const dayMs = 86_400_000

/** What there is to count of a day, each with the word at the head of its column. */
const columns = {
  runs: 'runs',
  decisions: 'decisions',
  scaled: 'scaled',
  deleted: 'deleted',
  bought: 'bought',
  returned: 'returned',
  deployed: 'deployed',
  rolledBack: 'rolled back',
  measured: 'measured',
  people: 'people',
  faults: 'faults',
  violations: 'violations',
} as const

type Column = keyof typeof columns
export type WeekDay = Readonly<Record<Column, number>>

const names: readonly Column[] = Object.keys(columns).filter((name): name is Column => name in columns)

export const noDays: WeekDay = filled(() => 0)

function filled(count: (name: Column) => number): WeekDay {
  return {
    runs: count('runs'),
    decisions: count('decisions'),
    scaled: count('scaled'),
    deleted: count('deleted'),
    bought: count('bought'),
    returned: count('returned'),
    deployed: count('deployed'),
    rolledBack: count('rolledBack'),
    measured: count('measured'),
    people: count('people'),
    faults: count('faults'),
    violations: count('violations'),
  }
}

/** What happened on each day of a week. */
export function daysOfWeek(history: History, { startMs, endMs }: WeekScenario, violations: readonly Violation[]): readonly WeekDay[] {
  const days = Array.from({ length: Math.round((endMs - startMs) / dayMs) }, () => new Map<Column, number>())
  const count = (atMs: number, name: Column, by = 1): void => {
    const day = days[Math.min(days.length - 1, Math.max(0, Math.floor((atMs - startMs) / dayMs)))]
    if (by > 0) day?.set(name, (day.get(name) ?? 0) + by)
  }
  for (const happening of history.all) {
    const [name, by] = countOf(happening) ?? []
    if (name !== undefined) count(happening.at, name, by)
  }
  for (const { about } of violations) {
    const last = history.all.findLast((happening) => about.some((word) => history.line(happening).includes(word)))
    count(last?.at ?? endMs, 'violations')
  }
  return days.map((day) => filled((name) => day.get(name) ?? 0))
}

/** Where something that happened counts, and how much. */
function countOf(happening: Happening): readonly [name: Column, by: number] | undefined {
  switch (happening.kind) {
    case 'run-began':
      return ['runs', 1]
    case 'run-ended':
      return ['decisions', happening.decisions.length]
    case 'effect':
      return countOfEffect(happening.effect)
    case 'stored':
      return happening.partition === 'memory/license-meter' && happening.sort.startsWith('head/') ? ['measured', 1] : undefined
    case 'person':
    case 'hook-deed':
    case 'alarm-deed':
    case 'hook-approved':
    case 'switch-set':
      return ['people', 1]
    case 'store-failed':
      return ['faults', 1]
    case 'came':
      return / under /.test(happening.text) ? ['faults', 1] : undefined
    case 'process':
      return /is cut|is ended|stands still/.test(happening.text) ? ['faults', 1] : undefined
    default:
      return undefined
  }
}

function countOfEffect({ images, hook, alarm }: Effect): readonly [name: Column, by: number] | undefined {
  if (images !== undefined) return images.kind === 'remove' ? ['deleted', images.removed.length] : undefined
  if (hook !== undefined) return hook.kind === 'set' ? ['deployed', 1] : hook.kind === 'rollback' ? ['rolledBack', 1] : undefined
  if (alarm === undefined) return ['scaled', 1]
  return alarm.kind === 'grow' ? ['bought', alarm.nodes] : alarm.kind === 'remove' ? ['returned', alarm.nodes] : undefined
}

export function sumOfDays(left: readonly WeekDay[], right: readonly WeekDay[]): readonly WeekDay[] {
  return Array.from({ length: Math.max(left.length, right.length) }, (_, day) =>
    filled((name) => (left[day]?.[name] ?? 0) + (right[day]?.[name] ?? 0)),
  )
}

/** A table for people: a row for each day, and one for all of them. */
export function daysText(days: readonly WeekDay[]): string {
  const total = days.reduce((sum, day) => filled((name) => sum[name] + day[name]), noDays)
  const rows = [
    ['day', ...names.map((name) => columns[name])],
    ...days.map((day, index) => [String(index + 1), ...names.map((name) => String(day[name]))]),
    ['all', ...names.map((name) => String(total[name]))],
  ]
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  return rows.map((row) => row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  ')).join('\n')
}
