import { type KillSwitch, killSwitchValue, unreachable } from './kill-switch.ts'

/** Reads one parameter of a parameter store by its name. Throws when there is none, or when it cannot be reached. */
export type ReadSwitchParameter = (parameter: string) => Promise<string>

/** The switch as a parameter of the AWS parameter store. A parameter that is not there cannot be read, so it stops. */
export function parameterKillSwitch(parameter: string, readParameter: ReadSwitchParameter): KillSwitch {
  const name = `the kill switch in the parameter ${parameter}`
  return {
    name,
    read: async () => {
      let value: unknown
      try {
        value = await readParameter(parameter)
      } catch (error) {
        // Whatever goes wrong with reading, nobody knows what the switch says.
        throw unreachable(name, error instanceof Error ? error.message : String(error), error)
      }
      return killSwitchValue(value, name)
    },
  }
}
