/** What one machine type offers. */
export interface InstanceType {
  readonly name: string
  readonly arch: 'x86' | 'arm'
  readonly cpuCores: number
  readonly memoryGib: number
}

const coresBySize: Readonly<Record<string, number>> = {
  SMALL: 1,
  MEDIUM: 2,
  LARGE: 4,
  '2XLARGE': 8,
  '3XLARGE': 12,
  '4XLARGE': 16,
  '6XLARGE': 24,
  '8XLARGE': 32,
  '12XLARGE': 48,
  '16XLARGE': 64,
  '24XLARGE': 96,
}

/** Families on offer: standard, AMD, memory and compute optimised, and the one with ARM cores. */
const archByFamily: Readonly<Record<string, 'x86' | 'arm'>> = {
  S1: 'x86',
  S2: 'x86',
  S3: 'x86',
  S4: 'x86',
  S5: 'x86',
  S6: 'x86',
  SA2: 'x86',
  SA3: 'x86',
  M5: 'x86',
  M6: 'x86',
  C4: 'x86',
  C6: 'x86',
  SR1: 'arm',
}

const typeForm = /^([A-Z]+\d)\.((?:\d{1,2}X)?[A-Z]+?)(\d{1,4})$/

/** The type of a name such as `S5.2XLARGE16`: eight cores, 16 GiB. Undefined for a type that is not on offer. */
export function instanceType(name: string): InstanceType | undefined {
  const match = typeForm.exec(name)
  const arch = archByFamily[match?.[1] ?? '']
  const cpuCores = coresBySize[match?.[2] ?? '']
  const memoryGib = Number(match?.[3] ?? 0)
  if (arch === undefined || cpuCores === undefined || memoryGib < 1) return undefined
  return { name, arch, cpuCores, memoryGib }
}
