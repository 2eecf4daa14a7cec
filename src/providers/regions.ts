// Where the regions of clouds are, by the names that their nodes carry (`topology.kubernetes.io/region`): country codes of
// ISO 3166-1. From the lists of regions that Amazon, CoreWeave, Google, Microsoft and Oracle publish. A region that is not here is in
// a country that we do not know.

const amazon: Readonly<Record<string, string>> = {
  AE: 'me-central-1',
  AU: 'ap-southeast-2 ap-southeast-4',
  BH: 'me-south-1',
  BR: 'sa-east-1',
  CA: 'ca-central-1 ca-west-1',
  CH: 'eu-central-2',
  CN: 'cn-north-1 cn-northwest-1',
  DE: 'eu-central-1',
  ES: 'eu-south-2',
  FR: 'eu-west-3',
  GB: 'eu-west-2',
  HK: 'ap-east-1',
  ID: 'ap-southeast-3',
  IE: 'eu-west-1',
  IL: 'il-central-1',
  IN: 'ap-south-1 ap-south-2',
  IT: 'eu-south-1',
  JP: 'ap-northeast-1 ap-northeast-3',
  KR: 'ap-northeast-2',
  MX: 'mx-central-1',
  MY: 'ap-southeast-5',
  NZ: 'ap-southeast-6',
  SE: 'eu-north-1',
  SG: 'ap-southeast-1',
  TH: 'ap-southeast-7',
  TW: 'ap-east-2',
  US: 'us-east-1 us-east-2 us-west-1 us-west-2 us-gov-east-1 us-gov-west-1',
  ZA: 'af-south-1',
}

const coreweave: Readonly<Record<string, string>> = {
  ES: 'eu-south-03 eu-south-04',
  US: 'us-east-01 us-east-02 us-east-04 us-east-06 us-east-08 us-east-13 us-east-14 rno2 us-west-01 us-west-04 us-west-09',
}

const google: Readonly<Record<string, string>> = {
  AU: 'australia-southeast1 australia-southeast2',
  BE: 'europe-west1',
  BR: 'southamerica-east1',
  CA: 'northamerica-northeast1 northamerica-northeast2',
  CH: 'europe-west6',
  CL: 'southamerica-west1',
  DE: 'europe-west3 europe-west10',
  ES: 'europe-southwest1',
  FI: 'europe-north1',
  FR: 'europe-west9',
  GB: 'europe-west2',
  HK: 'asia-east2',
  ID: 'asia-southeast2',
  IL: 'me-west1',
  IN: 'asia-south1 asia-south2',
  IT: 'europe-west8 europe-west12',
  JP: 'asia-northeast1 asia-northeast2',
  KR: 'asia-northeast3',
  MX: 'northamerica-south1',
  NL: 'europe-west4',
  PL: 'europe-central2',
  QA: 'me-central1',
  SA: 'me-central2',
  SE: 'europe-north2',
  SG: 'asia-southeast1',
  TW: 'asia-east1',
  US: 'us-central1 us-east1 us-east4 us-east5 us-south1 us-west1 us-west2 us-west3 us-west4',
  ZA: 'africa-south1',
}

const microsoft: Readonly<Record<string, string>> = {
  AE: 'uaenorth uaecentral',
  AT: 'austriaeast',
  AU: 'australiaeast australiasoutheast australiacentral australiacentral2',
  BR: 'brazilsouth brazilsoutheast',
  CA: 'canadacentral canadaeast',
  CH: 'switzerlandnorth switzerlandwest',
  CL: 'chilecentral',
  DE: 'germanywestcentral germanynorth',
  ES: 'spaincentral',
  FR: 'francecentral francesouth',
  GB: 'uksouth ukwest',
  HK: 'eastasia',
  ID: 'indonesiacentral',
  IE: 'northeurope',
  IL: 'israelcentral',
  IN: 'centralindia southindia westindia jioindiacentral jioindiawest',
  IT: 'italynorth',
  JP: 'japaneast japanwest',
  KR: 'koreacentral koreasouth',
  MX: 'mexicocentral',
  MY: 'malaysiawest',
  NL: 'westeurope',
  NO: 'norwayeast norwaywest',
  NZ: 'newzealandnorth',
  PL: 'polandcentral',
  QA: 'qatarcentral',
  SE: 'swedencentral swedensouth',
  SG: 'southeastasia',
  US: 'centralus eastus eastus2 northcentralus southcentralus westcentralus westus westus2 westus3',
  ZA: 'southafricanorth southafricawest',
}

const oracle: Readonly<Record<string, string>> = {
  AE: 'me-abudhabi-1 me-dubai-1',
  AU: 'ap-melbourne-1 ap-sydney-1',
  BR: 'sa-saopaulo-1 sa-vinhedo-1',
  CA: 'ca-montreal-1 ca-toronto-1',
  CH: 'eu-zurich-1',
  CL: 'sa-santiago-1 sa-valparaiso-1',
  CO: 'sa-bogota-1',
  DE: 'eu-frankfurt-1',
  ES: 'eu-madrid-1',
  FR: 'eu-marseille-1 eu-paris-1',
  GB: 'uk-cardiff-1 uk-london-1',
  IL: 'il-jerusalem-1',
  IN: 'ap-hyderabad-1 ap-mumbai-1',
  IT: 'eu-milan-1',
  JP: 'ap-osaka-1 ap-tokyo-1',
  KR: 'ap-chuncheon-1 ap-seoul-1',
  MX: 'mx-monterrey-1 mx-queretaro-1',
  NL: 'eu-amsterdam-1',
  SA: 'me-jeddah-1 me-riyadh-1',
  SE: 'eu-stockholm-1',
  SG: 'ap-singapore-1 ap-singapore-2',
  US: 'us-ashburn-1 us-chicago-1 us-phoenix-1 us-sanjose-1',
  ZA: 'af-johannesburg-1',
}

const countries = new Map(
  [amazon, coreweave, google, microsoft, oracle].flatMap((cloud) =>
    Object.entries(cloud).flatMap(([country, names]) => names.split(' ').map((name) => [name, country] as const)),
  ),
)

/** Members of the European Union. */
const union = new Set('AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK'.split(' '))

/**
 * Jurisdictions of capacity in these regions: its country, then the groups that the country belongs to. Nothing where a
 * region is not known, or they are in several countries: nobody could say then what is where.
 */
export function jurisdictionsOf(names: Iterable<string>): string[] | null {
  const found = new Set([...names].map((name) => countries.get(name.toLowerCase())))
  const [country] = found
  if (country === undefined || found.size > 1) return null
  return union.has(country) ? [country, 'EU'] : [country]
}
