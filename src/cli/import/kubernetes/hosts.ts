import type { Field } from '#cli/import/field.ts'

/** The longest name of a host. */
const longestName = 253

/** Tells of a name in a text that only the network of its cluster knows: that of a pod of this object, or of a service. */
export function tellHosts(field: Field, object: string): void {
  const to = field.path.at(-1) === 'value' ? 'env' : 'run'
  const text = [field.value].flat().filter((one) => typeof one === 'string')
  const names = text.join(' ').match(/[\w.-]+/g) ?? []
  const found = names.find((name) => name.length <= longestName && isOfCluster(name, object))
  if (found !== undefined)
    field.change(to, {
      message: `${found} is a name that only its cluster knows`,
      fix: 'write $MASTER_ADDR for rank 0, and ISOBAR_NODE_ADDRESSES for all; a service outside by its full name',
    })
}

/** `train-0.train` and `train-worker-0-1.train` are pods of `train`; services end in `.svc`, or go on behind that. */
function isOfCluster(name: string, object: string): boolean {
  const [host = '', ...domain] = name.split('.')
  const isPod = object !== '' && host.startsWith(`${object}-`) && /-\d+$/.test(host) && /^[a-z]/.test(domain[0] ?? '')
  return isPod || (domain.length > 1 && domain.slice(1).includes('svc'))
}
