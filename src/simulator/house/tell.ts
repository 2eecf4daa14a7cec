import type { Ending } from './run.ts'
import { stepText, type Story } from './story.ts'
import { timeText, traceText } from './trace.ts'

/** A story as people read it. */
export function storyText({ seed, planes, cloud, troubles, agents, projects, steps, calmAt }: Story): string {
  const lines = [
    `Story ${seed}: control planes ${planes.map(({ name, skewMs }) => (skewMs ? `${name} (${skewMs} ms ahead)` : name)).join(', ')}.`,
    ...cloud.sites.map(({ provider, name, jurisdictions, pools, racks, patienceMs }) => {
      const nodes = pools.map((pool) => `${pool.nodes} ${pool.tier} nodes`).join(', ')
      const named = racks
        ? ` with names, ${racks.nodes} in a rack and ${racks.inBlock} racks in a block${racks.marks ? `, marked ${JSON.stringify(racks.marks)}` : ''}`
        : ''
      return `Site ${name}${provider ? ` of ${provider}` : ''} (${jurisdictions.join(', ')}): ${nodes}${named}, patience ${patienceMs} ms${agents.sites.includes(name) ? ', with our agents' : ''}.`
    }),
    ...(agents.cutOff ? [`${agents.cutOff * 100} % of our agents never reach anybody.`] : []),
    ...projects.map(({ name, fields }) => `Project ${name}: ${JSON.stringify(fields)}.`),
    ...troubles.map(({ trouble, site = 'all sites', calls, share, fromMs, toMs }) => {
      const met = calls?.join(', ') ?? 'what it may befall'
      return `From ${timeText(fromMs)} to ${timeText(toMs)} ${trouble} befalls ${share * 100} % of ${met} at ${site}.`
    }),
    ...steps.map((step) => `${timeText(step.at)}  ${stepText(step)}`),
    `${timeText(calmAt)}  all faults cease`,
  ]
  return lines.join('\n')
}

/** What became of a story: what happened last, and what is wrong. */
export function endingText({ last, from, breaches, digest, calls, simulatedMs }: Ending, lines: number): string {
  const wrong = breaches.map(({ at, invariant, rule, what }) => `${timeText(at)}  ${invariant} (rule ${rule}): ${what}`)
  return [
    traceText(last.slice(-lines), from),
    '',
    ...(wrong.length > 0 ? wrong : ['All is as it must be.']),
    `${timeText(simulatedMs)} in ${calls} calls, digest ${digest}`,
  ].join('\n')
}
