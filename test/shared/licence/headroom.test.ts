import { describe, expect, it } from 'vitest'
import { freeCores, type Headroom, type HeadroomLine } from '#shared/licence/headroom.ts'

const region = 'ap-guangzhou'
const used: HeadroomLine = { used: '12', entitled: '16', free: '4', unit: 'core', forecast: { kind: 'too-little-data', have: 3, need: 14 } }
const idle: HeadroomLine = { used: '0', entitled: 'unknown', unit: 'core', forecast: { kind: 'no-entitlement' } }

function headroomOf(products: Record<string, HeadroomLine>): Headroom {
  const at = '2026-03-19T23:18:00.000Z'
  return { format: 1, at, regions: { [region]: { at, overage: 'ok', products, coverage: { measured: 1, hours: 1 } } } }
}

describe('where no product is named', () => {
  it('products that nobody uses do not hide how much is left of those that are used', () => {
    expect(freeCores(headroomOf({ 'tke-managed-x86': used, 'tke-managed-arm': idle, 'tke-independent': idle }), region)).toBe(4)
  })

  it('nothing is known as soon as one that is used has no entitlement, or nobody knows whether it is used', () => {
    expect(freeCores(headroomOf({ 'tke-managed-x86': used, 'tke-managed-arm': { ...idle, used: '1' } }), region)).toBe('unknown')
    const { used: _, ...unread } = idle
    expect(freeCores(headroomOf({ 'tke-managed-x86': used, 'tke-managed-arm': unread }), region)).toBe('unknown')
  })

  it('nothing is known of a region in which nothing is used and nothing is licensed', () => {
    expect(freeCores(headroomOf({ 'tke-managed-arm': idle }), region)).toBe('unknown')
  })
})

it('of a product that is named nothing is known without an entitlement, whether it is used or not', () => {
  const headroom = headroomOf({ 'tke-managed-x86': used, 'tke-managed-arm': idle })
  expect(freeCores(headroom, region, 'tke-managed-arm')).toBe('unknown')
  expect(freeCores(headroom, region, 'tke-managed-x86')).toBe(4)
})
