import { readFile } from 'node:fs/promises'
import { ConfigError } from './config.ts'

/** Reads the PEM certificates that `platform.caFile` names. Throws ConfigError when they cannot be read or are none. */
export async function readCa(path: string): Promise<string> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    throw caError(path, `cannot be read (${code}); check the path`, error)
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----'))
    throw caError(path, 'holds no PEM certificate; give one that begins with -----BEGIN CERTIFICATE-----')
  return text
}

function caError(path: string, what: string, cause?: unknown): ConfigError {
  const fault = { path: 'platform.caFile', text: `${path} ${what}` }
  return new ConfigError('config.unreadable', `platform.caFile: ${fault.text}.`, [fault], cause === undefined ? undefined : { cause })
}
