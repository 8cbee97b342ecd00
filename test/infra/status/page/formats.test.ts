import { describe, expect, test } from 'vitest'
import { createFormats } from '../../../../infra/status/page/formats.ts'

const now = Date.parse('2026-11-24T08:41:08Z')
const english = createFormats('en', 'Asia/Shanghai')
const chinese = createFormats('zh', 'Asia/Shanghai')
/** Blanks of any width are as good. */
const plain = (text: string): string => text.replace(/\s/gu, ' ')

describe('instants', () => {
  test('of the same day are a time, of another one have the day, of another year the year, each in the reader’s zone', () => {
    expect(english.instant('2026-11-24T00:05:09Z', now)).toBe('08:05:09')
    // Still the 24th in Shanghai, though the 23rd in London.
    expect(english.instant('2026-11-23T16:00:00Z', now)).toBe('00:00:00')
    expect(plain(english.instant('2026-11-23T15:59:59Z', now))).toBe('23 Nov, 23:59:59')
    expect(plain(english.instant('2025-11-24T00:00:00Z', now))).toBe('24 Nov 2025, 08:00:00')
    expect(plain(chinese.instant('2026-11-23T15:59:59Z', now))).toBe('11月23日 23:59:59')
  })

  test('in full have the zone', () => {
    expect(english.zone).toBe('GMT+8')
    expect(english.whole('2026-11-24T00:05:09Z')).toContain('GMT+8')
    expect(createFormats('en', 'UTC').zone).toBe('UTC')
  })

  test('are told by how far away they are, in the largest unit that there is one of, never rounded up', () => {
    const at = (ms: number): string => english.relative(new Date(now + ms).toISOString(), now)
    expect([at(-119_999), at(-3_599_999), at(42_000), at(7_200_000), at(-86_400_000 * 400)]).toEqual([
      '1 min ago',
      '59 min ago',
      'in 42 sec',
      'in 2 hr',
      '400 days ago',
    ])
    expect([at(0), at(-999)]).toEqual(['now', 'now'])
    expect(chinese.relative(new Date(now - 119_999).toISOString(), now).replace(/\s/g, '')).toBe('1分钟前')
  })

  test('on an axis are the day where one begins or days are far apart, else the time', () => {
    const midnight = Date.parse('2026-11-23T16:00:00Z')
    expect([english.tick(midnight, 3_600_000), english.tick(midnight + 3_600_000, 3_600_000), english.tick(now, 86_400_000)]).toEqual([
      '24 Nov',
      '01:00',
      '24 Nov',
    ])
  })

  test('a civil date is in no zone', () => {
    expect(createFormats('en', 'Pacific/Kiritimati').day('2027-03-02')).toBe('2 Mar 2027')
    expect(createFormats('zh', 'Pacific/Niue').day('2027-03-02')).toBe('2027年3月2日')
  })
})

describe('figures', () => {
  test('of bytes are in binary units with one digit at most', () => {
    expect([0, 1023, 1024, 1536, 1024 ** 3 * 3.44, 1024 ** 6 * 2000].map((value) => english.bytes(value))).toEqual([
      '0 B',
      '1,023 B',
      '1 KiB',
      '1.5 KiB',
      '3.4 GiB',
      '2,048,000 PiB',
    ])
  })

  test('of a share of nothing are none', () => {
    expect(english.percent(84, 128)).toBe('65.6 %')
    expect(english.percent(1, 0)).toBeUndefined()
  })
})
