import { describe, expect, it } from 'vitest'
import { readDeployWords } from '#infra/build/deploy.ts'

describe('the words of npm run deploy', () => {
  it('names the stack, its region and the topic of its alarms', () => {
    const topic = 'arn:aws:sns:eu-west-1:111122223333:operations'
    expect(readDeployWords(['--stage', 'prod', '--region', 'eu-west-1', '--alarm-topic', topic, '--dry-run'])).toEqual({
      kind: 'deploy',
      stage: 'prod',
      region: 'eu-west-1',
      topic,
      dry: true,
    })
    expect(readDeployWords(['--stage=dev'])).toEqual({ kind: 'deploy', stage: 'dev', region: undefined, topic: undefined, dry: false })
  })

  it.each([
    [[], '--stage is needed'],
    [['--stage', 'Prod'], '--stage Prod: write'],
    [['--stage', '../x'], '--stage ../x: write'],
    [['--stage', 'a b'], '--stage a b: write'],
    [['--stage', 'p', '--region', 'mars'], '--region mars is no region'],
    [['--stage', 'p', '--alarm-topic', 'ops'], '--alarm-topic ops is no ARN'],
    [['--stage', 'p', '--force'], "'--force'"],
    [['prod'], "'prod'"],
  ])('refuses %j', (words, text) => {
    const order = readDeployWords(words)
    expect(order).toMatchObject({ kind: 'mistake', text: expect.stringContaining(text) })
  })
})
