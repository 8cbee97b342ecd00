import type { AttributeValue, DynamoDBClient, QueryCommandInput, UpdateItemCommandInput } from '@aws-sdk/client-dynamodb'
import {
  type DeleteOptions,
  type DeleteResult,
  type ItemKey,
  type PutOptions,
  type PutResult,
  type ReadOptions,
  type RefusedWrite,
  type Store,
  StoreError,
  type StoreErrorKind,
  type StoreItem,
  type StorePage,
  type StoreQuery,
  type WriteCondition,
} from './store.ts'
import {
  checkKey,
  checkTime,
  closedError,
  type DeleteOrder,
  deleteOrder,
  describeKey,
  firstVersionBefore,
  isLive,
  itemOf,
  maxPageBytes,
  type PutOrder,
  purgeTimeOf,
  putOrder,
  rangeOf,
  type StoredRow,
  type StoreRange,
} from './store-rules.ts'

export interface DynamoStoreOptions {
  /** The table of infra/resources/store-table.yml. */
  readonly table: string
  /** AWS region; where absent, the SDK's own settings say it (on Lambda the function's region). */
  readonly region?: string | undefined
  /** `http://127.0.0.1:4567` for an embedded server; AWS itself when absent. */
  readonly endpoint?: string | undefined
  /** Fixed credentials; where absent, the SDK finds those of the function's role. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined
  /** Per try; 3,000 when absent. Connecting takes a third of it at most. */
  readonly timeoutMs?: number | undefined
  /** From 0 up to but excluding 1; spreads the waits between tries. */
  readonly random: () => number
  /** Waits between tries. */
  readonly sleep: (ms: number) => Promise<void>
}

/** AWS's client, loaded when the store is opened: Lambda's Node runtimes provide it, so bundles leave it out. */
type Sdk = typeof import('@aws-sdk/client-dynamodb')

const maxTries = 4
const retryBaseMs = 50
const maxRetryMs = 1000
/** A page of a query that goes on reads at least this many items, so that a long run of expired ones costs few calls. */
const minContinuedRead = 100

/** Names of the attributes. All of them are used through aliases, because some are reserved words. */
const attributes = {
  '#partition': 'partition',
  '#sort': 'sort',
  '#version': 'version',
  '#data': 'data',
  '#expires': 'expires_at',
  '#purge': 'purge_at',
}

/**
 * Opens the store in a DynamoDB table. Sends nothing yet: a table that is missing or forbidden shows at the first call.
 *
 * Each put and delete is one UpdateItem with a condition, each get one consistent GetItem. A write is sent again only when
 * DynamoDB refused it before doing anything (throttled, no connection); when an answer is lost it is `store.unknown-outcome`,
 * never a blind second try, whose refusal would look as if somebody else had written. Reads are tried up to four times.
 * Throws StoreError of kind `store.misconfigured` when AWS's client is not installed.
 */
export async function openDynamoStore(options: DynamoStoreOptions): Promise<Store> {
  const sdk = await loadSdk()
  const timeoutMs = options.timeoutMs ?? 3000
  const client = new sdk.DynamoDBClient({
    ...(options.region === undefined ? {} : { region: options.region }),
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    // The store itself decides what is tried again.
    maxAttempts: 1,
    requestHandler: { connectionTimeout: Math.ceil(timeoutMs / 3), requestTimeout: timeoutMs, throwOnRequestTimeout: true },
  })
  return new DynamoStore(sdk, client, options)
}

async function loadSdk(): Promise<Sdk> {
  try {
    return await import('@aws-sdk/client-dynamodb')
  } catch (error) {
    throw new StoreError(
      'store.misconfigured',
      'Store: the package @aws-sdk/client-dynamodb is not installed. Lambda provides it to Node functions; elsewhere install it, or use the store in a file.',
      { cause: error },
    )
  }
}

class DynamoStore implements Store {
  readonly name: string
  readonly #sdk: Sdk
  readonly #client: DynamoDBClient
  readonly #table: string
  readonly #random: () => number
  readonly #sleep: (ms: number) => Promise<void>
  readonly #underWay = new Set<Promise<unknown>>()
  #closed = false

  constructor(sdk: Sdk, client: DynamoDBClient, options: DynamoStoreOptions) {
    this.#sdk = sdk
    this.#client = client
    this.#table = options.table
    this.#random = options.random
    this.#sleep = options.sleep
    this.name = `the DynamoDB table ${options.table}`
  }

  async get(key: ItemKey, { now }: ReadOptions): Promise<StoreItem | undefined> {
    checkKey(key)
    checkTime(now, 'now')
    return this.#use(() => this.#read(key, now))
  }

  async put(key: ItemKey, data: object, options: PutOptions): Promise<PutResult> {
    const order = putOrder(key, data, options)
    return this.#use(async () => {
      const answer = await this.#update(order, this.#putInput(order))
      if ('refused' in answer) return answer.refused
      if (typeof order.when === 'object') return { ok: true, version: order.when.version + 1 }
      return { ok: true, version: this.#wholeNumber(order.key, answer.attributes?.version) }
    })
  }

  async delete(key: ItemKey, options: DeleteOptions): Promise<DeleteResult> {
    const order = deleteOrder(key, options)
    return this.#use(async () => {
      const anything = order.when === 'any'
      const answer = await this.#update(
        order,
        {
          ...this.#expressions(
            'SET #version = #version + :one, #data = :data, #expires = :zero, #purge = :purge',
            // Without an item there would be nothing to bury, so `any` needs one as well; its absence is what was asked for.
            anything ? present : conditionOf(order.when),
          ),
          ExpressionAttributeValues: {
            ...numbers({ ':one': 1, ':zero': 0, ':now': order.now, ':purge': purgeSecondsOf(order.now) }),
            ':data': { S: '' },
            ...versionValue(order.when),
          },
        },
        anything,
      )
      return 'refused' in answer && !anything ? answer.refused : { ok: true }
    })
  }

  async query(query: StoreQuery): Promise<StorePage> {
    const range = rangeOf(query)
    return this.#use(async () => (range === undefined ? { items: [], next: undefined } : this.#page(range)))
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.allSettled(this.#underWay)
    this.#client.destroy()
  }

  #putInput(order: PutOrder): Partial<UpdateItemCommandInput> {
    const { expiresAt } = order
    const expiry = expiresAt === undefined ? ' REMOVE #expires, #purge' : ', #expires = :expires, #purge = :purge'
    return {
      ...this.#expressions(`SET #data = :data, #version = if_not_exists(#version, :first) + :one${expiry}`, conditionOf(order.when)),
      ExpressionAttributeValues: {
        ...numbers({ ':one': 1, ':first': firstVersionBefore(order.now) }),
        ...(order.when === 'any' ? {} : numbers({ ':now': order.now })),
        ...(expiresAt === undefined ? {} : numbers({ ':expires': expiresAt, ':purge': purgeSecondsOf(expiresAt) })),
        ':data': { S: order.text },
        ...versionValue(order.when),
      },
      // Under `{ version }` the new version is known; otherwise it is asked for.
      ...(typeof order.when === 'object' ? {} : { ReturnValues: 'UPDATED_NEW' as const }),
    }
  }

  #expressions(update: string, condition: string | undefined): Partial<UpdateItemCommandInput> {
    return {
      UpdateExpression: update,
      ...(condition === undefined ? {} : { ConditionExpression: condition }),
      ExpressionAttributeNames: namesIn(update, condition ?? ''),
    }
  }

  /** One conditional write. A refusal says what is there, unless nobody wants to know. */
  async #update(
    { key, now }: DeleteOrder,
    input: Partial<UpdateItemCommandInput>,
    silent = false,
  ): Promise<{ readonly refused: RefusedWrite } | { readonly attributes: Attributes | undefined }> {
    const { ConditionalCheckFailedException, UpdateItemCommand } = this.#sdk
    try {
      const command = new UpdateItemCommand({
        TableName: this.#table,
        Key: keyAttributes(key),
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
        ...input,
      })
      const { Attributes: attributes } = await this.#send('write', () => this.#client.send(command))
      return { attributes }
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error
      if (silent) return { refused: { ok: false, current: undefined } }
      // Embedded servers do not say what was there, and neither does DynamoDB when nothing was.
      const current = error.Item === undefined ? await this.#read(key, now) : this.#liveItem(error.Item, now)
      return { refused: { ok: false, current } }
    }
  }

  async #read(key: ItemKey, now: number): Promise<StoreItem | undefined> {
    const { GetItemCommand } = this.#sdk
    const command = new GetItemCommand({ TableName: this.#table, Key: keyAttributes(key), ConsistentRead: true })
    const { Item: found } = await this.#send('read', () => this.#client.send(command))
    return found === undefined ? undefined : this.#liveItem(found, now)
  }

  async #page(range: StoreRange): Promise<StorePage> {
    const items: StoreItem[] = []
    let pageBytes = 0
    let startKey = range.after === undefined ? undefined : keyAttributes({ partition: range.partition, sort: range.after })
    let readLimit = range.limit
    do {
      const { QueryCommand } = this.#sdk
      const command = new QueryCommand({ TableName: this.#table, ...queryInput(range, readLimit), ExclusiveStartKey: startKey })
      const { Items: found = [], LastEvaluatedKey: lastKey } = await this.#send('read', () => this.#client.send(command))
      for (const attributes of found) {
        if (items.length >= range.limit || pageBytes > maxPageBytes) return { items, next: items.at(-1)?.sort }
        const { key, row } = this.#checked(attributes)
        items.push(itemOf(key, row))
        pageBytes += row.text.length
      }
      startKey = lastKey
      readLimit = Math.max(range.limit - items.length, minContinuedRead)
    } while (startKey !== undefined && items.length < range.limit && pageBytes <= maxPageBytes)
    return { items, next: startKey === undefined ? undefined : items.at(-1)?.sort }
  }

  #liveItem(attributes: Attributes, now: number): StoreItem | undefined {
    const { key, row } = this.#checked(attributes)
    return isLive(row, now) ? itemOf(key, row) : undefined
  }

  #checked(found: Attributes): { readonly key: ItemKey; readonly row: StoredRow } {
    const key = { partition: found.partition?.S ?? '', sort: found.sort?.S ?? '' }
    const text = found.data?.S
    if (text === undefined) throw this.#foreign(key)
    const expiresAt = found.expires_at === undefined ? undefined : this.#wholeNumber(key, found.expires_at)
    return { key, row: { version: this.#wholeNumber(key, found.version), text, expiresAt, purgeAt: undefined } }
  }

  #wholeNumber(key: ItemKey, value: AttributeValue | undefined): number {
    const number = Number(value?.N ?? Number.NaN)
    if (!Number.isSafeInteger(number)) throw this.#foreign(key)
    return number
  }

  #foreign(key: ItemKey): StoreError {
    return new StoreError(
      'store.corrupt',
      `Store: the item ${describeKey(key)} of ${this.name} was not written by a store, or was changed by hand. Use a table of its own for the store; restore this item, or delete it once you know what it was for.`,
    )
  }

  /** Refuses after `close`, and lets `close` wait. */
  async #use<T>(run: () => Promise<T>): Promise<T> {
    if (this.#closed) throw closedError(this.name)
    const answer = run()
    this.#underWay.add(answer)
    try {
      return await answer
    } finally {
      this.#underWay.delete(answer)
    }
  }

  /** Sends, and sends again what may be sent again. Passes ConditionalCheckFailedException on, turns every other error into StoreError. */
  async #send<T>(effect: 'read' | 'write', send: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await send()
      } catch (error) {
        if (error instanceof this.#sdk.ConditionalCheckFailedException || !(error instanceof Error)) throw error
        const failure = this.#failureOf(error)
        const again = failure === 'refused-for-now' || (failure === 'unknown' && effect === 'read')
        if (!again || attempt >= maxTries) throw this.#storeError(failure, effect, error)
        await this.#sleep(this.#random() * Math.min(maxRetryMs, retryBaseMs * 2 ** (attempt - 1)))
      }
    }
  }

  #failureOf(error: Error): Failure {
    if (notSentCodes.has(codeOf(error)) || refusalsForNow.has(error.name) || neverConnected.test(error.message)) return 'refused-for-now'
    if (error.name === 'CredentialsProviderError') return 'refused'
    if (error instanceof this.#sdk.DynamoDBServiceException) {
      const status = error.$metadata.httpStatusCode ?? 0
      if (status >= 400 && status < 500 && status !== 408) return 'refused'
    }
    return 'unknown'
  }

  #storeError(failure: Failure, effect: 'read' | 'write', error: Error): StoreError {
    const say = (kind: StoreErrorKind, text: string): StoreError => new StoreError(kind, `Store: ${this.name} ${text}`, { cause: error })
    const reason = `${error.name}: ${error.message}`
    switch (failure) {
      case 'refused-for-now':
        return say(
          'store.unavailable',
          `cannot be used now (${reason}). Nothing was written. Try again later; check its capacity and the network.`,
        )
      case 'refused':
        if (error.name === 'ResourceNotFoundException') {
          return say(
            'store.misconfigured',
            'does not exist in this account and region. Nothing was written. Deploy infra/resources/store-table.yml, or correct the name.',
          )
        }
        return say(
          'store.misconfigured',
          `refuses the call (${reason}). Nothing was written. Check the permissions, the credentials and that the table has the keys of infra/resources/store-table.yml.`,
        )
      case 'unknown':
        if (effect === 'read') return say('store.unavailable', `gives no answer (${reason}). Nothing was written. Try again later.`)
        return say('store.unknown-outcome', `gave no answer to a write (${reason}). It may have happened: read it before writing again.`)
    }
  }
}

type Attributes = Record<string, AttributeValue>

/**
 * - `refused-for-now` nothing was done, and the same call may succeed later
 * - `refused` nothing was done, and the same call will be refused again
 * - `unknown` sent without a usable answer: a time-out, a broken connection, an error inside DynamoDB
 */
type Failure = 'refused-for-now' | 'refused' | 'unknown'

/** Node's codes for connections that never came about. */
const notSentCodes: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'])

/** The SDK's words for a connection that was not there in time. Should they change, such a write counts as sent, which is the safe side. */
const neverConnected = /did not establish a connection/

/** DynamoDB turns these away before doing anything ("Error handling with DynamoDB" in its developer guide). */
const refusalsForNow: ReadonlySet<string> = new Set([
  'ProvisionedThroughputExceededException',
  'ReplicatedWriteConflictException',
  'RequestLimitExceeded',
  'ThrottledException',
  'ThrottlingException',
  'TransactionConflictException',
])

function codeOf(error: Error): unknown {
  return 'code' in error ? error.code : undefined
}

const present = 'attribute_exists(#version) AND (attribute_not_exists(#expires) OR #expires > :now)'

function conditionOf(when: WriteCondition): string | undefined {
  if (when === 'any') return undefined
  if (when === 'absent') return 'attribute_not_exists(#version) OR #expires <= :now'
  return '#version = :version AND (attribute_not_exists(#expires) OR #expires > :now)'
}

function versionValue(when: WriteCondition): Attributes {
  return typeof when === 'object' ? numbers({ ':version': when.version }) : {}
}

function queryInput(range: StoreRange, limit: number): Omit<QueryCommandInput, 'TableName'> {
  const keys = '#partition = :partition AND #sort BETWEEN :low AND :high'
  const unexpired = 'attribute_not_exists(#expires) OR #expires > :now'
  return {
    ConsistentRead: true,
    KeyConditionExpression: keys,
    FilterExpression: unexpired,
    ExpressionAttributeNames: namesIn(keys, unexpired),
    ExpressionAttributeValues: {
      ':partition': { S: range.partition },
      ':low': { S: range.low },
      ':high': { S: range.high },
      ...numbers({ ':now': range.now }),
    },
    ScanIndexForward: !range.reverse,
    Limit: limit,
  }
}

/** The aliases that the expressions use: DynamoDB refuses one that is defined and not used. */
function namesIn(...expressions: readonly string[]): Record<string, string> {
  const used = new Set(expressions.join(' ').match(/#[a-z]+/g))
  return Object.fromEntries(Object.entries(attributes).filter(([alias]) => used.has(alias)))
}

/** DynamoDB's own expiry counts in seconds, and is late by up to days. */
function purgeSecondsOf(goneAt: number): number {
  return Math.ceil(purgeTimeOf(goneAt) / 1000)
}

function numbers(values: Readonly<Record<string, number>>): Attributes {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { N: String(value) }]))
}

function keyAttributes(key: ItemKey): Attributes {
  return { partition: { S: key.partition }, sort: { S: key.sort } }
}
