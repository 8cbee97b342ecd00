export { compareTexts } from '#shared/pure/compare-texts.ts'
