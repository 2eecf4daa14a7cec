import type { Draft } from '#cli/import/draft.ts'
import type { Field } from '#cli/import/field.ts'
import { acceleratorModel } from '#model/spec/resources-text.ts'
import { modelOf } from '#providers/kubernetes/nodes.ts'

export type Nodes = {
  placement: NonNullable<Draft['placement']>
  /** Models of accelerators, any of which will do; empty where the manifest says none. */
  models: string[]
}

/** Labels by which operators and clouds mark nodes that may be taken away. */
const spot: Readonly<Record<string, string>> = {
  'karpenter.sh/capacity-type': 'spot',
  'eks.amazonaws.com/capacityType': 'SPOT',
  'cloud.google.com/gke-spot': 'true',
  'cloud.google.com/gke-preemptible': 'true',
  'kubernetes.azure.com/scalesetpriority': 'spot',
}

const longestLabel = { name: 317, value: 200 }

/** On which nodes a pod may run. */
export function nodesOf(pod: Field, hasAccelerators: boolean): Nodes {
  const nodes: Nodes = { placement: {}, models: [] }
  for (const [label, field] of pod.at('nodeSelector').entries())
    takeLabel(label, [field], { nodes, hasAccelerators, whole: field })
  readAffinity(
    pod.at('affinity', 'nodeAffinity', 'requiredDuringSchedulingIgnoredDuringExecution'),
    nodes,
    hasAccelerators,
  )
  for (const toleration of pod.at('tolerations').items()) readToleration(toleration, nodes)
  return nodes
}

type Wanted = { nodes: Nodes; hasAccelerators: boolean; whole: Field }

/** A label, and values of which a node must have one. */
function takeLabel(label: string, values: readonly Field[], { nodes, hasAccelerators, whole }: Wanted): void {
  const texts = values.flatMap(({ value }) => (typeof value === 'string' ? [value] : []))
  const [only = ''] = texts
  if (texts.length !== values.length || texts.length === 0) return whole.leave(notOne)
  const models = texts.flatMap((text) => modelOf({ [label]: text }) ?? [])
  if (hasAccelerators && models.length === texts.length && models.every((model) => acceleratorModel.test(model))) {
    nodes.models.push(...models.filter((model) => !nodes.models.includes(model)))
    return whole.carry('resources.accelerators')
  }
  if (texts.length > 1) return whole.leave(notOne)
  if (label === 'kubernetes.io/os' && only === 'linux') return whole.skip()
  if (spot[label] === only) {
    nodes.placement.tiers = ['spot']
    return whole.carry('placement.tiers')
  }
  if (label.length > longestLabel.name || only.length > longestLabel.value) return whole.leave(notOne)
  const labels = (nodes.placement.nodeLabels ??= {})
  if ((labels[label] ?? only) !== only) return whole.leave(notOne)
  labels[label] = only
  whole.carry('placement.nodeLabels')
}

const notOne = {
  message: 'placement.nodeLabels asks for one value of each label',
  fix: 'write the one that matters most there, or name the sites in placement.sites',
}

/** What is the same as a selector is read as one. */
function readAffinity(required: Field, nodes: Nodes, hasAccelerators: boolean): void {
  const [term, ...others] = required.at('nodeSelectorTerms').items()
  if (!term || others.length > 0) return
  for (const expression of term.at('matchExpressions').items()) {
    const [label, operator] = [expression.at('key').value, expression.at('operator').value]
    if (typeof label === 'string' && operator === 'In')
      takeLabel(label, expression.at('values').items(), { nodes, hasAccelerators, whole: expression })
    else expression.leave(notOne)
  }
}

const keeping = ['NoSchedule', 'NoExecute']
const longestTaint = 317
const mostTolerations = 50

function readToleration(toleration: Field, { placement }: Nodes): void {
  const [key, value = '', effect, operator] = ['key', 'value', 'effect', 'operator'].map((name) => {
    const given = toleration.at(name).value
    return typeof given === 'string' ? given : undefined
  })
  const isOld = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'].includes(key ?? '')
  if (key === undefined || key === '' || isOld)
    return toleration.leave({
      message: isOld
        ? 'how long a silent node is waited for is a setting of its site (patience)'
        : 'a spec names each taint that it does not mind',
      fix: isOld ? 'nothing to do' : 'write placement: { tolerations: [key=value:NoSchedule] } for those that matter',
    })
  const taints = (effect === undefined || effect === '' ? keeping : [effect])
    .filter((one) => keeping.includes(one))
    .map((one) => `${key}${value === '' ? '' : `=${value}`}:${one}`)
    .filter((taint) => taint.length <= longestTaint)
  if (taints.length === 0)
    return toleration.leave({
      message: 'only taints that keep work off a node have to be tolerated, and this one is none that a spec can name',
      fix: 'nothing to do where its effect is PreferNoSchedule',
    })
  const known = (placement.tolerations ??= [])
  const added = taints.filter((taint) => !known.includes(taint))
  if (known.length + added.length > mostTolerations)
    return toleration.leave({
      message: `a spec tolerates ${mostTolerations} taints at the most`,
      fix: 'name those that matter',
    })
  known.push(...added)
  if (operator === 'Exists')
    toleration.change('placement.tolerations', {
      message: `a spec tolerates a taint as it is written, here ${taints.join(' and ')}, not with any value`,
      fix: 'add the value if the taint has one: `kubectl get nodes -o custom-columns=T:.spec.taints`',
    })
  else toleration.carry('placement.tolerations')
}
