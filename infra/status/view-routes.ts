import * as z from 'zod/mini'
import {
  ApprovalsView,
  DeadLettersView,
  DecisionsView,
  FunctionId,
  FunctionsView,
  JournalView,
  LeasesView,
  LicenceView,
  OutcomeName,
  PlatformView,
  RegistryView,
  TimelineView,
} from './api-schemas.ts'
import { type ViewRoute, viewRoute } from './view-route.ts'
import { approvalsView } from './views/approvals-view.ts'
import { deadLettersView } from './views/dead-letters-view.ts'
import { decisionsView } from './views/decisions-view.ts'
import { functionsView } from './views/functions-view.ts'
import { journalView } from './views/journal-view.ts'
import { leasesView } from './views/leases-view.ts'
import { licenceView } from './views/licence-view.ts'
import { platformView } from './views/platform-view.ts'
import { registryView } from './views/registry-view.ts'
import { timelineView } from './views/timeline-view.ts'

const nothing = z.strictObject({})

const Limit = z._default(z.int().check(z.minimum(1), z.maximum(200), z.describe('How many lines a page has.')), 50)
const Before = z.optional(z.int().check(z.minimum(1), z.describe('`next` of the page before this one.')))

/** Query parameters that are numbers, and those that may be given several times, in all views alike. */
export const wholeParameters: ReadonlySet<string> = new Set(['limit', 'before', 'hours'])
export const listParameters: ReadonlySet<string> = new Set(['outcome'])

/** Every view that there is. */
export const viewRoutes: readonly ViewRoute[] = [
  viewRoute({
    path: '/api/platform',
    summary: 'What this process works on, and what holds it.',
    query: nothing,
    answer: PlatformView,
    view: platformView,
  }),
  viewRoute({
    path: '/api/functions',
    summary: 'How each function is doing: its last run, when it runs next, and what it has changed.',
    query: nothing,
    answer: FunctionsView,
    view: functionsView,
  }),
  viewRoute({
    path: '/api/decisions',
    summary: 'What runs have decided, with reasons, the newest first; what is decided again in the same way is one line that counts.',
    query: z.strictObject({
      function: z.optional(FunctionId.check(z.describe('Only decisions of this function.'))),
      target: z.optional(
        z
          .string()
          .check(z.minLength(1), z.maxLength(300), z.describe('Only targets with this in their name, in small or capital letters.')),
      ),
      outcome: z.optional(
        z.array(OutcomeName).check(z.minLength(1), z.describe('Only these outcomes; several times, or with commas between.')),
      ),
      limit: Limit,
      before: Before,
    }),
    answer: DecisionsView,
    view: decisionsView,
  }),
  viewRoute({
    path: '/api/timeline',
    summary: 'Replicas and nodes over time, and what was changed meanwhile.',
    query: z.strictObject({
      hours: z._default(z.int().check(z.minimum(1), z.maximum(168), z.describe('How far back, by the time of the platform.')), 24),
    }),
    answer: TimelineView,
    view: timelineView,
  }),
  viewRoute({
    path: '/api/registry',
    summary: 'What the registry keeps, and what was given back by removals. With a quarantine the space is given back when the copies go.',
    query: nothing,
    answer: RegistryView,
    view: registryView,
  }),
  viewRoute({
    path: '/api/licence',
    summary: 'Licence usage of the last weeks, hour by hour, with what is entitled and the day of blocking.',
    query: nothing,
    answer: LicenceView,
    view: licenceView,
  }),
  viewRoute({
    path: '/api/leases',
    summary: 'Which nodes were added for which alarm, and until when; those that ended are shown for two days.',
    query: nothing,
    answer: LeasesView,
    view: leasesView,
  }),
  viewRoute({
    path: '/api/approvals',
    summary: 'What waits for the word of a person.',
    query: nothing,
    answer: ApprovalsView,
    view: approvalsView,
  }),
  viewRoute({
    path: '/api/dead-letters',
    summary: 'Events that nobody tries any more. What was received is left out.',
    query: nothing,
    answer: DeadLettersView,
    view: deadLettersView,
  }),
  viewRoute({
    path: '/api/journal',
    summary: 'What a function has done and why, the newest first, and whether somebody has changed that since.',
    query: z.strictObject({
      function: FunctionId.check(z.describe('Whose journal: each has a chain of its own.')),
      limit: Limit,
      before: Before,
    }),
    answer: JournalView,
    view: journalView,
  }),
]
