import type { DataDisk, InstanceAdvancedSettings, Label, Taint } from '#cloud/generated/tke/structures.ts'
import { PlatformFault } from '../reducer.ts'
import type { LabelState, NodeSettingsState, TaintState } from './state.ts'

/** Settings of a node for which nobody set anything. */
export const plainSettings: NodeSettingsState = {
  mountTarget: '',
  dockerGraphPath: '/var/lib/docker',
  userScript: '',
  preStartUserScript: '',
  unschedulable: false,
  labels: [],
  dataDisks: [],
  kubeletArgs: [],
}

/** The state of an InstanceAdvancedSettings; what is absent takes its default. `labels` are added to its own. */
export function settingsOf(sent: InstanceAdvancedSettings | undefined, labels: readonly Label[] = []): NodeSettingsState {
  return {
    mountTarget: sent?.MountTarget ?? '',
    dockerGraphPath: sent?.DockerGraphPath ?? plainSettings.dockerGraphPath,
    userScript: sent?.UserScript ?? '',
    preStartUserScript: sent?.PreStartUserScript ?? '',
    unschedulable: Number(sent?.Unschedulable ?? 0) !== 0,
    labels: labelsOf([...(sent?.Labels ?? []), ...labels]),
    dataDisks: (sent?.DataDisks ?? []).map((disk) => ({
      diskType: disk.DiskType,
      fileSystem: disk.FileSystem,
      diskSizeGib: Number(disk.DiskSize),
      autoFormatAndMount: disk.AutoFormatAndMount,
      mountTarget: disk.MountTarget ?? '',
    })),
    kubeletArgs: [...(sent?.ExtraArgs?.Kubelet ?? [])],
  }
}

/** InstanceAdvancedSettings as DescribeClusterInstances answers it. */
export function settingsAnswer(settings: NodeSettingsState): InstanceAdvancedSettings {
  return {
    MountTarget: settings.mountTarget,
    DockerGraphPath: settings.dockerGraphPath,
    UserScript: settings.userScript,
    Unschedulable: settings.unschedulable ? 1 : 0,
    Labels: labelsAnswer(settings.labels),
    DataDisks: settings.dataDisks.map(
      (disk): DataDisk => ({
        DiskType: disk.diskType,
        FileSystem: disk.fileSystem,
        DiskSize: disk.diskSizeGib,
        AutoFormatAndMount: disk.autoFormatAndMount,
        MountTarget: disk.mountTarget,
      }),
    ),
    ExtraArgs: { Kubelet: [...settings.kubeletArgs] },
    PreStartUserScript: settings.preStartUserScript,
  }
}

/** Labels by name, the last of a name wins. */
export function labelsOf(labels: readonly Label[]): LabelState[] {
  return [...new Map(labels.map((label) => [label.Name, { name: label.Name, value: label.Value }])).values()]
}

export function labelsAnswer(labels: readonly LabelState[]): Label[] {
  return labels.map((label) => ({ Name: label.name, Value: label.value }))
}

/** The labels as Kubernetes wants them. */
export function labelRecord(labels: readonly LabelState[]): Record<string, string> {
  return Object.fromEntries(labels.map((label) => [label.name, label.value]))
}

const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']

/** The state of a list of taints. Throws PlatformFault with `code` for one without key or with an unknown effect. */
export function taintsOf(taints: readonly Taint[], code: string): TaintState[] {
  return taints.map((taint, index) => {
    if (taint.Key === undefined || taint.Key === '') throw new PlatformFault(code, `Taints.${index} has no Key.`)
    const effect = taint.Effect ?? 'NoSchedule'
    if (!effects.includes(effect)) throw new PlatformFault(code, `Taints.${index}.Effect is ${effect}; it is one of ${effects.join(', ')}.`)
    return { key: taint.Key, value: taint.Value ?? '', effect }
  })
}

export function taintsAnswer(taints: readonly TaintState[]): Taint[] {
  return taints.map((taint) => ({ Key: taint.key, Value: taint.value, Effect: taint.effect }))
}
