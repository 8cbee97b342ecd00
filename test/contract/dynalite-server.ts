import { readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { type AttributeDefinition, CreateTableCommand, DynamoDBClient, type KeySchemaElement } from '@aws-sdk/client-dynamodb'
import { parse } from 'yaml'
import { dynaliteCredentials } from './dynalite-credentials.ts'

const dynalite = createRequire(import.meta.url)('dynalite') as (options: object) => Server

export interface DynaliteServer {
  readonly url: string
  /** Makes a table as infra/resources/store-table.yml says. */
  createStoreTable(name: string): Promise<void>
  close(): Promise<void>
}

/** An embedded DynamoDB server on loopback, its data in memory. */
export async function startDynalite(): Promise<DynaliteServer> {
  const server = dynalite({ createTableMs: 0, deleteTableMs: 0 })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const client = new DynamoDBClient({ endpoint: url, region: 'local', credentials: dynaliteCredentials })
  return {
    url,
    createStoreTable: async (name) => {
      const { KeySchema, AttributeDefinitions, BillingMode } = storeTableProperties()
      await client.send(new CreateTableCommand({ TableName: name, KeySchema, AttributeDefinitions, BillingMode }))
      // The table answers one tick after it was made.
      await new Promise((resolve) => setTimeout(resolve, 20))
    },
    close: async () => {
      client.destroy()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export interface StoreTableProperties {
  readonly KeySchema: KeySchemaElement[]
  readonly AttributeDefinitions: AttributeDefinition[]
  readonly BillingMode: 'PAY_PER_REQUEST'
  readonly TimeToLiveSpecification: { readonly AttributeName: string; readonly Enabled: boolean }
}

/** What the CloudFormation fragment says of the table. */
export function storeTableProperties(): StoreTableProperties {
  const fragment = parse(readFileSync('infra/resources/store-table.yml', 'utf8')) as {
    readonly Resources: { readonly StoreTable: { readonly Properties: StoreTableProperties } }
  }
  return fragment.Resources.StoreTable.Properties
}
