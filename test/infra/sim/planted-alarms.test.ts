import { alarmBugs } from '#infra/sim/planted/alarm-bugs.ts'
import { noticePlanted } from './planted-suite.ts'

// Beside the other ones, so that both cores have something to do.
noticePlanted(alarmBugs)
