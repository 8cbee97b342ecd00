import { alarmBugs } from '#infra/sim/planted/alarm-bugs.ts'
import { noticePlanted, oneForEachCheck } from './planted-suite.ts'

// Beside the other ones, so that both cores have something to do.
noticePlanted(oneForEachCheck(alarmBugs))
