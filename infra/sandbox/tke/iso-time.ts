/** An instant as the platform writes it: `2026-03-02T08:05:00Z`, whole seconds. */
export function isoTime(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 19)}Z`
}
