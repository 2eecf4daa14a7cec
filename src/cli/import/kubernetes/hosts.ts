import type { Field } from '#cli/import/field.ts'

/** Tells of a name in a text that only the network of its cluster knows: that of a pod of this object, or of a service. */
export function tellHosts(field: Field, object: string): void {
  const to = field.path.at(-1) === 'value' ? 'env' : 'run'
  const ofPods =
    object === '' ? '(?!)' : String.raw`\b${object.replaceAll(/[^a-z0-9-]/g, '.')}(?:-[a-z0-9-]+)?-\d+\.[a-z]`
  const names = new RegExp(String.raw`${ofPods}[\w.-]*|\b[a-z0-9-]+(?:\.[a-z0-9-]+)+\.svc\b`)
  const found = names.exec(
    [field.value]
      .flat()
      .filter((text) => typeof text === 'string')
      .join(' '),
  )
  if (found)
    field.change(to, {
      message: `${found[0]} is a name that only its cluster knows`,
      fix: 'write $MASTER_ADDR for rank 0, and ISOBAR_NODE_ADDRESSES for all; a service outside by its full name',
    })
}
