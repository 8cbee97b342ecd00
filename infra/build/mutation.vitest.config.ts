import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { mutationGroups, mutationGroupVariable } from './mutation-groups.ts'

const name = process.env[mutationGroupVariable]
const tests = mutationGroups.filter((group) => name === undefined || group.name === name).flatMap((group) => group.tests)

/** Runs files in the order in which the group names them; vitest would begin with the one that takes longest. */
class InOrder extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => tests.findIndex((test) => moduleId.endsWith(test))
    return [...files].sort((one, other) => place(one) - place(other))
  }
}

/** The tests of the group that is being mutated. Without a group, those of all. */
export default defineConfig({
  test: {
    include: tests,
    setupFiles: ['infra/build/mutation-setup.ts'],
    sequence: { sequencer: InOrder },
    testTimeout: 20_000,
  },
})
