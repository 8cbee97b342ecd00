/** How rules are spread over targets, and what of them is due. */
export interface RulesShape {
  readonly name: string
  readonly source: 'hpc' | 'config'
  readonly rulesPerTarget: number
  /** Whether all of them fire at the instant that is decided, or each at a minute of its own. */
  readonly allDue: boolean
  /** All in one cluster; a thousand in each when absent. */
  readonly isOneCluster?: boolean
  /** Whether every second target is an autoscaler. */
  readonly autoscalers?: boolean
}

export const rulesShapes: readonly RulesShape[] = [
  { name: 'two a target, any minute', source: 'hpc', rulesPerTarget: 2, allDue: false },
  { name: 'two a target, all at 08:00', source: 'hpc', rulesPerTarget: 2, allDue: true },
  { name: 'one a target, all at 08:00', source: 'hpc', rulesPerTarget: 1, allDue: true },
  { name: 'ten a target, any minute', source: 'hpc', rulesPerTarget: 10, allDue: false },
  { name: 'half of autoscalers, one cluster', source: 'hpc', rulesPerTarget: 2, allDue: false, isOneCluster: true, autoscalers: true },
  { name: 'of the configuration', source: 'config', rulesPerTarget: 2, allDue: false },
]

/** One rule, of whatever source. */
export interface DrawnRule {
  readonly cluster: string
  readonly namespace: string
  readonly app: string
  readonly name: string
  readonly isAutoscaler: boolean
  readonly schedule: string
  readonly timeZone: string
  readonly targetSize: number
  readonly excludeDates: readonly string[]
}

const zones = ['Asia/Shanghai', 'UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe']
const excludes: readonly (readonly string[])[] = [[], [], [], ['* * * * * 0,6'], ['2026-10-01..2026-10-07', '* * * 1 1 *']]

/** The clusters that so many rules are spread over. */
export function clusterIdsOf({ isOneCluster = false }: RulesShape, count: number): readonly string[] {
  return Array.from({ length: isOneCluster ? 1 : Math.ceil(count / 1000) }, (_, index) => `cls-${String(index).padStart(8, '0')}`)
}

/** The rules of a platform with 2,000 namespaces; the same every time. */
export function drawRules(shape: RulesShape, count: number): DrawnRule[] {
  const clusterIds = clusterIdsOf(shape, count)
  return Array.from({ length: count }, (_, index) => {
    const target = Math.floor(index / shape.rulesPerTarget)
    const place = index % shape.rulesPerTarget
    const hour = (8 + Math.floor((place * 24) / shape.rulesPerTarget)) % 24
    return {
      cluster: clusterIds[target % clusterIds.length] ?? '',
      namespace: `team-${target % 2000}`,
      app: `app-${target}`,
      name: `rule-${place}`,
      isAutoscaler: shape.autoscalers === true && target % 2 === 1,
      schedule: `0 ${shape.allDue ? 0 : (target * 7) % 60} ${hour} * * ${place % 2 === 1 && !shape.allDue ? '1-5' : '*'}`,
      timeZone: shape.allDue ? 'Asia/Shanghai' : (zones[target % zones.length] ?? 'UTC'),
      targetSize: 3 + ((index * 13) % 9),
      excludeDates: excludes[target % excludes.length] ?? [],
    }
  })
}
