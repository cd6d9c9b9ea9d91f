/**
 * Shortens the durations of the shipped rules, so that a fault raises its alert within seconds instead of minutes. Thresholds and
 * expressions stay, except for durations in them.
 */
export function shortenAll(text: string, file: string): string {
  if (file === 'alertmanager.yml') {
    return text
      .replace(/group_wait: \d+s/g, 'group_wait: 2s')
      .replace(/group_interval: \d+m/g, 'group_interval: 3s')
  }
  if (file === 'prometheus.yml' || file.startsWith('jobs/')) {
    return text
      .replace(/scrape_interval: (15|30)s/g, 'scrape_interval: 5s')
      .replace(/scrape_interval: 60s/g, 'scrape_interval: 10s')
      .replace(/scrape_timeout: \d+s/g, 'scrape_timeout: 4s')
      .replace(/evaluation_interval: 15s/g, 'evaluation_interval: 5s')
      .replace(/refresh_interval: \d+s/g, 'refresh_interval: 3s')
  }
  return (
    text
      // These services have no image where the test runs.
      .replace(/or absent\(up\{job="(cadvisor|grafana|loki|alloy|tempo)"\}\)/g, '')
      // Keep the order of durations: the alert on a cause must fire before the alert on its effect.
      .replace(/for: (\d+)m/g, (_, minutes) => `for: ${Math.min(20, Number(minutes) * 5)}s`)
      .replaceAll('[15m]', '[2m]')
      .replaceAll('[5m]', '[30s]')
      .replaceAll('[10m]', '[30s]')
      .replaceAll('jobs_oldest_ready_seconds) > 60', 'jobs_oldest_ready_seconds) > 10') // part:jobs
  )
}
