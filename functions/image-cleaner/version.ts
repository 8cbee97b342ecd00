export { compareVersionNames, compareVersions, parseVersion, type Version } from '#shared/pure/version.ts'
