// Every file of dashboards/.
{
  'pullprobe-node.json': import '../../dashboards/pullprobe-node.json',
}
