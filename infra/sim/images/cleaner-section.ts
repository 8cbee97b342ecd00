import { type CleanerSettings, quarantineRepository, type SimKeep } from './image-scene.ts'

const hourMs = 3_600_000

/** The function's part of the configuration. */
export function cleanerSection(settings: CleanerSettings): object {
  const { policies, protect, caps, canary, referenceMemoryMs, quarantineDays, batch } = settings
  return {
    policies: policies.map(({ name, repositories, keep, isPaused }) => ({ name, repositories, keep: keepSection(keep), paused: isPaused })),
    protect,
    caps: { perRepository: { amount: caps.ofRepository, percent: caps.percent }, perRun: caps.ofRun, perDay: caps.ofDay },
    canary: canary === undefined ? { enabled: false } : { enabled: true, ...canary },
    referenceMemory: `${referenceMemoryMs / hourMs}h`,
    ...(quarantineDays === undefined ? {} : { quarantine: { repository: quarantineRepository, days: quarantineDays } }),
    batch,
  }
}

function keepSection({ last, days, prefix, patternPrefix, newestOfLine, protected: names }: SimKeep): object {
  return {
    ...(last === undefined ? {} : { last }),
    ...(days === undefined ? {} : { days }),
    ...(prefix === undefined ? {} : { tags: [`${prefix}*`] }),
    ...(patternPrefix === undefined ? {} : { pattern: `${patternPrefix.replaceAll('.', '\\.')}.*` }),
    ...(newestOfLine === undefined ? {} : { semver: { newest: newestOfLine, per: 'minor' } }),
    ...(names === undefined ? {} : { protected: names }),
  }
}
