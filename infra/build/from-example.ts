import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type FunctionName, functionNames } from '#shared/runtime/definition.ts'
import { logicalName, pascalName } from './template.ts'

const example = 'example-hook'
const sources = {
  resources: 'infra/resources/webhook-function.example.yml',
  function: 'infra/resources/webhook-function.example.function.yml',
}

/** A file that a function with webhooks needs, and what stands in it at first. */
export interface StarterFile {
  /** From the root of the project. */
  readonly path: string
  readonly text: string
}

/**
 * What a function with webhooks starts with on AWS: its function.yml and its resources, after the example. They are the function's own
 * from then on; packaging checks that they stay right.
 */
export async function starterFiles(root: string, name: FunctionName): Promise<readonly StarterFile[]> {
  const rename = (text: string): string =>
    text.replaceAll(example, name).replaceAll(logicalName(example), logicalName(name)).replaceAll(pascalName(example), pascalName(name))
  const read = async (path: string): Promise<string> => rename(await readFile(join(root, path), 'utf8'))
  // The head of the example is about the example.
  const resources = (await read(sources.resources)).replace(/^(?:#.*\n)+/, `# What ${name} has on AWS beside its code.\n`)
  return [
    { path: `functions/${name}/function.yml`, text: await read(sources.function) },
    { path: `infra/resources/${name}.yml`, text: resources },
  ]
}

if (import.meta.main) {
  const root = join(import.meta.dirname, '../..')
  const name = functionNames.find((known) => known === process.argv[2])
  if (name === undefined) {
    console.error(`name the function, one of ${functionNames.join(', ')}: node infra/build/from-example.ts redeploy-hook`)
    process.exitCode = 1
  } else {
    for (const { path, text } of await starterFiles(root, name)) {
      // What is there already is somebody's work.
      await writeFile(join(root, path), text, { flag: 'wx' })
      console.log(`wrote ${path}`)
    }
    console.log(`Now add both to serverless.yml, and infra/resources/http-api.yml where it is not included yet.`)
  }
}
