// Every file of dashboards/.
{
  'pullprobe-fleet.json': import '../../dashboards/pullprobe-fleet.json',
  'pullprobe-registry.json': import '../../dashboards/pullprobe-registry.json',
  'pullprobe-node.json': import '../../dashboards/pullprobe-node.json',
}
