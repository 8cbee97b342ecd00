import { createHash } from 'node:crypto'
import type { Chart, File, FileEntry, Metadata } from '#cloud/generated/tke/structures.ts'
import { PlatformFault, type ReducerContext } from '../reducer.ts'
import { isoTime } from './iso-time.ts'
import { lookUp } from './look-up.ts'
import type { ChartArchive, ChartState, ChartVersionState } from './state.ts'
import type { TkeReducer } from './tke-reducer.ts'

/**
 * Asks where charts are uploaded to. The manual documents no output field, so the answer carries none either; archives
 * that UploadHelmChart finds are in the world's `archives`.
 */
export const describeCosInfo: TkeReducer<'DescribeCosInfo'> = () => ({})

/** Asks for the charts that match Search. As with DescribeCosInfo the manual documents no output field. */
export const describeHelmChart: TkeReducer<'DescribeHelmChart'> = () => ({})

const archiveForm = /^(?:.*\/)?([a-z0-9][a-z0-9-]*?)-(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?)\.tgz$/

/**
 * Takes a chart archive from object storage. An archive of the world's is taken as it is; a path that merely looks like
 * one (`…/name-1.2.3.tgz`) stands for an ordinary chart of that name. The same version again replaces the old one.
 */
export const uploadHelmChart: TkeReducer<'UploadHelmChart'> = (request, context) => {
  const archives = context.world.tke.archives
  const archive = lookUp(archives, request.CosPath) ?? ordinaryChart(request.CosPath)
  if (archive === undefined) {
    throw new PlatformFault('InvalidParameter', `CosPath ${request.CosPath} is no chart archive; its name looks like chart-1.2.3.tgz.`)
  }
  const charts = context.world.tke.charts
  const known = lookUp(charts, archive.name)
  const chart: ChartState = known ?? {
    name: archive.name,
    namespace: request.NamespaceName || context.world.account.uin,
    registryId: request.RegistryId || String(context.world.account.appId),
    versions: {},
  }
  const digest = createHash('sha256').update(JSON.stringify(archive)).digest('hex')
  chart.versions[archive.version] = { ...archive, uploadedMs: context.now, digest: `sha256:${digest}` }
  charts[archive.name] = chart
  return {}
}

function ordinaryChart(cosPath: string): ChartArchive | undefined {
  const match = archiveForm.exec(cosPath)
  const [, name, version] = match ?? []
  if (name === undefined || version === undefined) return undefined
  return {
    name,
    version,
    apiVersion: 'v1',
    appVersion: version,
    description: `Chart ${name}`,
    values: 'replicaCount: 1\n',
    templates: { 'templates/deployment.yaml': `# ${name}\n` },
    files: { 'README.md': `# ${name}\n` },
  }
}

function findChart(context: ReducerContext, chartName: string): ChartState {
  const charts = context.world.tke.charts
  const chart = lookUp(charts, chartName)
  if (chart === undefined) throw new PlatformFault('InvalidParameter', `There is no chart ${chartName}.`)
  return chart
}

function findVersion(context: ReducerContext, chartName: string, version: string): { chart: ChartState; version: ChartVersionState } {
  const chart = findChart(context, chartName)
  const found = lookUp(chart.versions, version)
  if (found === undefined) {
    throw new PlatformFault(
      'InvalidParameter',
      `Chart ${chartName} has no version ${version}; it has ${Object.keys(chart.versions).join(', ')}.`,
    )
  }
  return { chart, version: found }
}

/** The versions of a chart, newest first. `Chart` is the entry of a repository index, as JSON text. */
export const describeHelmChartVersion: TkeReducer<'DescribeHelmChartVersion'> = (request, context) => {
  const chart = findChart(context, request.ChartName)
  const versions = Object.values(chart.versions).sort((one, other) => compareVersions(other.version, one.version))
  return {
    Results: versions.map((version) => ({
      Chart: JSON.stringify({
        Name: version.name,
        Version: version.version,
        APIVersion: version.apiVersion,
        AppVersion: version.appVersion,
        Description: version.description,
        Created: isoTime(version.uploadedMs),
        Digest: version.digest,
        URLs: [`charts/${archiveName(version)}`],
      }),
      Name: `${chart.namespace}/${chart.name}`,
      Score: 0,
    })),
  }
}

/** What one version consists of: as a tree of files, and taken apart as a chart. */
export const describeHelmChartDetail: TkeReducer<'DescribeHelmChartDetail'> = (request, context) => {
  const { version } = findVersion(context, request.ChartName, request.ChartVersion)
  const metadata: Metadata = {
    APIVersion: version.apiVersion,
    AppVersion: version.appVersion,
    Description: version.description,
    Name: version.name,
    Version: version.version,
  }
  const chart: Chart = {
    Files: filesOf(version.files),
    Lock: null,
    Metadata: metadata,
    Schema: null,
    Templates: filesOf(version.templates),
    Values: version.values,
  }
  const texts: Record<string, string> = {
    'Chart.yaml': chartYaml(version),
    'values.yaml': version.values,
    ...version.templates,
    ...version.files,
  }
  return { FileEntry: fileTree(version.name, texts), Chart: chart }
}

function chartYaml(version: ChartArchive): string {
  return [
    `apiVersion: ${version.apiVersion}`,
    `appVersion: ${JSON.stringify(version.appVersion)}`,
    `description: ${JSON.stringify(version.description)}`,
    `name: ${version.name}`,
    `version: ${version.version}`,
    '',
  ].join('\n')
}

function filesOf(texts: { readonly [path: string]: string }): File[] {
  return Object.entries(texts).map(([path, text]) => ({ Data: Buffer.from(text).toString('base64'), Name: path }))
}

/** Files as a tree with numbered entries, folders first made where a path needs them. */
function fileTree(rootName: string, texts: { readonly [path: string]: string }): FileEntry {
  interface Folder {
    readonly folders: Map<string, Folder>
    readonly files: Map<string, string>
  }
  const newFolder = (): Folder => ({ folders: new Map(), files: new Map() })
  const root = newFolder()
  for (const [path, text] of Object.entries(texts)) {
    const steps = path.split('/')
    const fileName = steps.pop() ?? path
    let folder = root
    for (const step of steps) {
      const next = folder.folders.get(step) ?? newFolder()
      folder.folders.set(step, next)
      folder = next
    }
    folder.files.set(fileName, text)
  }
  let lastId = 0
  const entry = (name: string, folder: Folder): FileEntry => {
    lastId += 1
    const id = lastId
    const children = [
      ...[...folder.folders].map(([childName, child]) => entry(childName, child)),
      ...[...folder.files].map(([childName, text]): FileEntry => {
        lastId += 1
        return { Name: childName, Value: text, ID: lastId, Children: null }
      }),
    ]
    return { Name: name, Value: null, ID: id, Children: children }
  }
  return entry(rootName, root)
}

/** Deletes a chart with all its versions. One that is not there is an error. */
export const deleteHelmChart: TkeReducer<'DeleteHelmChart'> = (request, context) => {
  delete context.world.tke.charts[findChart(context, request.ChartName).name]
  return { Deleted: true }
}

/** Deletes one version; with its last version the chart is gone. */
export const deleteHelmChartVersion: TkeReducer<'DeleteHelmChartVersion'> = (request, context) => {
  const { chart, version } = findVersion(context, request.ChartName, request.ChartVersion)
  delete chart.versions[version.version]
  if (Object.keys(chart.versions).length === 0) delete context.world.tke.charts[chart.name]
  return { Deleted: true }
}

/** An address under which an archive could be fetched for a while. Nothing answers there. */
export const describeChartDownloadInfo: TkeReducer<'DescribeChartDownloadInfo'> = (request, context) => {
  const { chart, version } = findVersion(context, request.ChartName, request.ChartVersion)
  const from = Math.floor(context.now / 1000)
  const query = new URLSearchParams({
    'q-sign-algorithm': 'sha1',
    'q-key-time': `${from};${from + 3600}`,
    'q-signature': createHash('sha1').update(`${chart.registryId}/${version.digest}/${from}`).digest('hex'),
  })
  const host = `charts-${chart.registryId}.cos.${context.region}.myqcloud.com`
  return { PreSignedDownloadURL: `https://${host}/${chart.namespace}/${archiveName(version)}?${query}` }
}

function archiveName(version: ChartArchive): string {
  return `${version.name}-${version.version}.tgz`
}

/** Semantic version order: numbers by value, a pre-release before its release. */
function compareVersions(one: string, other: string): number {
  const [oneCore = '', onePre] = one.split('+', 1)[0]?.split(/-(.*)/s) ?? []
  const [otherCore = '', otherPre] = other.split('+', 1)[0]?.split(/-(.*)/s) ?? []
  const byCore = compareParts(oneCore.split('.'), otherCore.split('.'))
  if (byCore !== 0) return byCore
  if (onePre === undefined || otherPre === undefined) return onePre === otherPre ? 0 : onePre === undefined ? 1 : -1
  return compareParts(onePre.split('.'), otherPre.split('.'))
}

function compareParts(one: readonly string[], other: readonly string[]): number {
  for (let index = 0; index < Math.max(one.length, other.length); index += 1) {
    const left = one[index]
    const right = other[index]
    if (left === undefined || right === undefined) return left === undefined ? -1 : 1
    if (left === right) continue
    const numeric = /^\d+$/
    const bothNumbers = numeric.test(left) && numeric.test(right)
    if (bothNumbers) return Number(left) < Number(right) ? -1 : 1
    if (numeric.test(left) !== numeric.test(right)) return numeric.test(left) ? -1 : 1
    return left < right ? -1 : 1
  }
  return 0
}
