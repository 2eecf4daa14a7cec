import { type Outcome, succeed } from '#model/fault.ts'

import type { Association } from './accounting.ts'
import { associations, fairShareOf, licences, partitionQos, qualities, remembered } from './accounting-replies.ts'
import type { Controller } from './controller.ts'
import { mapped, type Reply } from './replies.ts'

/** Gets a path such as `slurmdb/qos`; null where slurmrestd does not offer it, since it may run without accounting. */
export type GetIfOffered = <T>(
  path: string,
  signal: AbortSignal,
  convert: (reply: Reply) => Outcome<T>,
) => Promise<Outcome<T | null>>

type Asked = Pick<Controller, 'accounting' | 'fairShare' | 'licences' | 'remembered'>

const mostLevels = 32

/** What slurmrestd tells of accounting and licences. Whether limits are enforced it does not tell: who sets one means it. */
export function accountingOver({ user, partition }: { user: string; partition: string }, get: GetIfOffered): Asked {
  const named = (field: string, name: string, signal: AbortSignal) =>
    get(`slurmdb/associations?${field}=${encodeURIComponent(name)}`, signal, associations)
  return {
    async accounting(signal) {
      const ours = await named('user', user, signal)
      if (!ours.ok) return ours
      if (ours.value === null) return succeed(null)
      const accounts = await accountsAbove(ours.value, (account) => named('account', account, signal))
      if (!accounts.ok) return accounts
      const qos = await get('slurmdb/qos', signal, qualities)
      if (!qos.ok) return qos
      const its = await get(`slurm/partition/${encodeURIComponent(partition)}`, signal, partitionQos)
      const all = [...ours.value, ...accounts.value]
      return mapped(its, (above) => ({ associations: all, qos: qos.value ?? [], partitionQos: above }))
    },
    fairShare: (account, signal) =>
      get(`slurm/shares?users=${encodeURIComponent(user)}&accounts=${encodeURIComponent(account)}`, signal, (reply) =>
        fairShareOf(reply, { user, account }),
      ),
    async licences(signal) {
      return mapped(await get('slurm/licenses', signal, licences), (all) => all ?? [])
    },
    remembered: (id, signal) => get(`slurmdb/job/${id}`, signal, remembered),
  }
}

/** The accounts of a user's associations, and those above, level by level. */
async function accountsAbove(
  ours: readonly Association[],
  ask: (account: string) => Promise<Outcome<Association[] | null>>,
): Promise<Outcome<Association[]>> {
  const found = new Map<string, Association | null>()
  let next = new Set(ours.map(({ account }) => account))
  for (let level = 0; next.size > 0 && level < mostLevels; level++) {
    for (const account of next) {
      const asked = await ask(account)
      if (!asked.ok) return asked
      found.set(account, asked.value?.find((one) => one.user === '' && one.account === account) ?? null)
    }
    const parents = [...next].flatMap((account) => found.get(account)?.parent || [])
    next = new Set(parents.filter((parent) => !found.has(parent)))
  }
  return succeed([...found.values()].filter((one) => one !== null))
}
