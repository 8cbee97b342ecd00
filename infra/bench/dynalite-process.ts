import type { Server } from 'node:http'
import { createRequire } from 'node:module'
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb'

/** An embedded DynamoDB server in a process of its own, with one table `bench`. Tells its parent the address, ends with it. */
const dynalite: (options: object) => Server = createRequire(import.meta.url)('dynalite')

const server = dynalite({ createTableMs: 0, deleteTableMs: 0 })
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The server did not say its port.')
  void tell(`http://127.0.0.1:${address.port}`)
})
process.on('disconnect', () => process.exit())

async function tell(endpoint: string): Promise<void> {
  const credentials = { accessKeyId: 'AKIDBENCH', secretAccessKey: 'bench' }
  const client = new DynamoDBClient({ endpoint, region: 'local', credentials })
  await client.send(
    new CreateTableCommand({
      TableName: 'bench',
      // As in infra/resources/store-table.yml.
      KeySchema: [
        { AttributeName: 'partition', KeyType: 'HASH' },
        { AttributeName: 'sort', KeyType: 'RANGE' },
      ],
      AttributeDefinitions: [
        { AttributeName: 'partition', AttributeType: 'S' },
        { AttributeName: 'sort', AttributeType: 'S' },
      ],
      BillingMode: 'PAY_PER_REQUEST',
    }),
  )
  client.destroy()
  // The table answers one tick after it was made.
  setTimeout(() => process.send?.({ endpoint }), 20)
}
