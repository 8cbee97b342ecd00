import { createTransport } from '#cloud/transport-https.ts'
import { describeTransport } from './transport-contract.ts'

describeTransport("transport over Node's own client", createTransport)
