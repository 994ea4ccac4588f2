/** What clients are told of members, with standbys, which no operator can set yet. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Cluster } from '../../../../../ts/cluster/cluster.js'
import type { MemberRecord, MemberStatus } from '../../../../../ts/cluster/member.js'
import { ClusterView } from '../../../../../ts/commands/redis/cluster/cluster-view.js'
import type { ShardStatus } from '../../../../../ts/volume/shard-routes.js'

const idOf = (name: string): string => name.repeat(40)
const [A, B, C] = ['a', 'b', 'c'].map(idOf) as [string, string, string]

interface Shard {
  readonly primary: string
  readonly standbys?: readonly string[]
  readonly status?: ShardStatus
}

function view(shards: readonly Shard[], down: { stopped?: string; silent?: string } = {}) {
  const record = (memberId: string, port: number): MemberRecord => ({
    memberId,
    status: (memberId === down.stopped ? 'STOPPED' : 'RUNNING') as MemberStatus,
    processId: '',
    external: { host: memberId === C ? '::1' : 'db.example', port },
    internal: { host: 'db.example', port: port + 1 },
  })
  const members = [record(C, 30), record(A, 10), record(B, 20)]
  const cluster = {
    memberId: A,
    isAlive: (memberId: string) => memberId !== down.silent,
    topology: {
      members: new Map(members.map(member => [member.memberId, member])),
      routes: shards.map(({ primary, standbys = [], status = 'READWRITE' }, id) => {
        return { kind: 'REDIS', id, primary, standbys, status }
      }),
    },
  }
  return new ClusterView(cluster as unknown as Cluster)
}

const lines = (shown: ClusterView): string[] => shown.members.map(member => shown.line(member))
const rangesOf = (shown: ClusterView) =>
  shown.ranges.map(({ first, last, primary, standbys }) => {
    return [first, last, primary, ...standbys].map(each => {
      return typeof each === 'number' ? each : each.memberId[0]
    })
  })

test('names standbys behind their primary', () => {
  const shown = view([
    { primary: A, standbys: [B, C] },
    { primary: A, standbys: [B, C] },
    { primary: A },
    { primary: B, standbys: [C, idOf('d')] },
  ])
  assert.equal(rangesOf(shown), [
    [0, 8191, 'a', 'b', 'c'],
    [8192, 12_287, 'a'],
    [12_288, 16_383, 'b', 'c'],
  ])
  assert.equal(lines(shown), [
    `${A} db.example:10@11,db.example myself,master - 0 0 0 connected 0-12287`,
    `${B} db.example:20@21,db.example master - 0 0 0 connected 12288-16383`,
    `${C} ::1:30@31,::1 slave ${A} 0 0 0 connected`,
  ])
  const replicas = (id: string) => shown.replicasOf(id).map(({ memberId }) => memberId)
  assert.equal([replicas(A), replicas(B), replicas(C)], [[B, C], [C], []])
})

test('puts the ranges of the same members together', () => {
  const shown = view([
    { primary: A, standbys: [B] },
    { primary: C },
    { primary: A, standbys: [B] },
    { primary: A },
  ])
  const groups = shown.groups.map(group => group.map(({ first, last }) => [first, last]))
  assert.equal(groups, [
    [
      [0, 4095],
      [8192, 12_287],
    ],
    [[4096, 8191]],
    [[12_288, 16_383]],
  ])
})

test('tells who is down', () => {
  const shards = [{ primary: A }, { primary: B, standbys: [C] }]
  for (const [down, flags] of [
    [{}, { b: 'master', c: 'slave' }],
    [{ silent: B }, { b: 'master,fail', c: 'slave' }],
    [{ stopped: C }, { b: 'master', c: 'slave,fail' }],
    // Whatever is recorded of it, the one that answers is there.
    [{ silent: A }, { b: 'master', c: 'slave' }],
  ] as const) {
    const shown = view(shards, down)
    const words = lines(shown).map(line => line.split(' '))
    assert.equal(
      words.map(line => line[2]),
      ['myself,master', flags.b, flags.c],
    )
    for (const line of words) {
      assert.is(line[7], line[2]!.includes('fail') ? 'disconnected' : 'connected')
    }
    assert.is(shown.info().cluster_slots_fail, flags.b === 'master' ? 0 : 8192)
  }
})

test('is in order only while every shard is served', () => {
  const stateOf = (shards: readonly Shard[]) => view(shards).info().cluster_state
  assert.is(stateOf([]), 'fail')
  assert.is(stateOf([{ primary: A }, { primary: B, status: 'READONLY' }]), 'ok')
  assert.is(stateOf([{ primary: A }, { primary: B, status: 'INOPERABLE' }]), 'fail')
  assert.is(stateOf([{ primary: A }, { primary: '' }]), 'fail')
  assert.is(stateOf([{ primary: A }, { primary: idOf('d') }]), 'fail')
})

test.run()
