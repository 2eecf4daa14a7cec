import { didYouMean } from '#kit/did-you-mean.ts'
import type { Examination, Obstacle } from '#model/examination.ts'
import { obstacle } from '#providers/examining.ts'

import { type Licence, sayLimits, standingOf, type Unknown } from './accounting.ts'
import type { SlurmSite } from './config.ts'
import type { Controller } from './controller.ts'

/** Looks at whose account jobs would be charged to, what limits them, and which licences there are. */
export async function lookAtAccounts(
  found: Examination,
  { site, controller }: { site: SlurmSite; controller: Controller },
  signal: AbortSignal,
): Promise<void> {
  const fact = (name: string, value: string) => found.facts.push({ name, value })
  const licences = await controller.licences(signal)
  if (licences.ok && licences.value.length > 0) fact('licences', licences.value.map(sayLicence).join(', '))
  if (licences.ok) found.obstacles.push(...(site.licences ?? []).flatMap((one) => lacking(one, licences.value)))
  const told = await controller.accounting(signal)
  if (!told.ok)
    return void found.notes.push(`accounting does not answer, so limits are not known: ${told.fault.detail}`)
  if (told.value === null) return void fact('accounting', 'none')
  const standing = standingOf(told.value, site)
  if ('no' in standing) return refused(found, standing, site)
  const { account, qos } = standing
  fact('account', account)
  fact('QOS', qos)
  fact('limits', sayLimits(standing))
  const share = await controller.fairShare(account, signal)
  if (share.ok && share.value !== null) fact('fair-share', String(share.value))
}

const sayLicence = ({ name, free, total }: Licence): string => `${name} (${free} of ${total} free)`

function lacking(asked: string, licences: readonly Licence[]): Obstacle[] {
  const [name = '', count = '1'] = asked.split(':')
  const there = licences.find((one) => one.name === name)
  const names = licences.map((one) => one.name)
  if (!there) {
    const near = didYouMean(name, names) ?? names[0]
    const what = `the cluster has no licence ${name}; it has ${names.join(', ') || 'none'}`
    return [obstacle('invalid', what, near === undefined ? 'scontrol show licenses' : `--licences ${near}:${count}`)]
  }
  if (there.total >= Number(count)) return []
  const what = `the cluster has ${there.total} of the licence ${name}, and each job would hold ${count}`
  return [obstacle('invalid', what, `--licences ${name}:${there.total}`)]
}

function refused(found: Examination, { no, has }: Unknown, { user, account, qos, rest }: SlurmSite): void {
  const look = `sacctmgr show associations user=${user}`
  if (no === 'account') {
    const what = `accounting has no user ${user} in account ${account}; its accounts are ${has.join(', ')}`
    found.obstacles.push(obstacle('invalid', what, `--account ${didYouMean(account ?? '', has) ?? has[0] ?? ''}`))
  } else if (no === 'qos') {
    const what = `user ${user} may not ask for QOS ${qos}; allowed are ${has.join(', ') || 'none'}`
    found.obstacles.push(obstacle('invalid', what, `--qos ${didYouMean(qos ?? '', has) ?? has[0] ?? ''}`))
  } else if (rest === undefined) {
    const what = `accounting knows no user ${user}, and lets nobody run jobs whom it does not know`
    found.obstacles.push(obstacle('denied', what, `sacctmgr add user ${user} account=<account> (as its administrator)`))
  } else found.notes.push(`accounting knows no user ${user}: if it is enforced, each job is refused; ${look}`)
}
