import { createTransport } from '#cloud/transport.ts'
import { describeTransport } from './transport-contract.ts'

describeTransport('transport over undici', createTransport)
