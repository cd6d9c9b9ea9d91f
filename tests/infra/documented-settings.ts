/**
 * The documented names of each version, for the sections that are used here. Loki and Tempo do not start with an unknown
 * name; Grafana ignores it silently.
 */
export const documented: Record<'loki' | 'tempo' | 'grafana', Record<string, readonly string[]>> = {
  loki: {
    '': words(`target auth_enabled ballast_bytes server ui distributor querier query_engine query_range ruler
      ingester_client ingester index_gateway memberlist storage_config chunk_store_config schema_config compactor
      compactor_client limits_config frontend_worker table_manager runtime_config operational_config tracing analytics
      profiling common shutdown_delay metrics_namespace`),
    server: words('http_listen_address http_listen_port grpc_listen_port log_level log_format'),
    common:
      words(`path_prefix storage persist_tokens replication_factor ring instance_interface_names instance_addr
      compactor_address compactor_grpc_address scratch_path`),
    'common.storage': words(
      's3 gcs azure alibabacloud bos swift filesystem hedging cos congestion_control object_store',
    ),
    'common.storage.filesystem': words('chunks_directory rules_directory'),
    'common.ring':
      words(`kvstore heartbeat_period heartbeat_timeout tokens_file_path zone_awareness_enabled num_tokens
      replication_factor instance_id instance_interface_names instance_port instance_addr`),
    'common.ring.kvstore': words('store prefix consul etcd multi'),
    schema_config: words('configs'),
    'schema_config.configs': words('from store object_store schema index chunks row_shards'),
    'schema_config.configs.index': words('path_prefix prefix period tags'),
    compactor: words(`working_directory compaction_interval apply_retention_interval retention_enabled
      retention_delete_delay retention_delete_worker_count retention_table_timeout retention_backoff_config
      delete_request_store delete_request_store_key_prefix delete_request_store_db_type delete_batch_size
      delete_request_cancel_period`),
    limits_config:
      words(`ingestion_rate_mb ingestion_burst_size_mb max_label_name_length max_label_value_length
      max_label_names_per_series reject_old_samples reject_old_samples_max_age creation_grace_period max_line_size
      max_line_size_truncate increment_duplicate_timestamp discover_service_name discover_log_levels log_level_fields
      max_streams_per_user max_global_streams_per_user per_stream_rate_limit per_stream_rate_limit_burst
      max_query_series max_query_lookback max_query_length max_query_parallelism max_entries_limit_per_query
      query_timeout split_queries_by_interval volume_enabled volume_max_series deletion_mode retention_period
      retention_stream shard_streams allow_structured_metadata max_structured_metadata_size
      max_structured_metadata_entries_count otlp_config`),
    analytics: words('reporting_enabled usage_stats_url proxy_url tls_config'),
  },
  tempo: {
    '': words(`target http_api_prefix stream_over_http_enabled shutdown_delay server internal_server distributor
      ingester_client metrics_generator_client querier query_frontend compactor ingester metrics_generator storage
      overrides memberlist usage_report cache`),
    server: words('http_listen_address http_listen_port grpc_listen_port log_level log_format'),
    distributor: words('ring receivers override_ring_key forwarders usage extend_writes max_attribute_bytes'),
    'distributor.receivers': words('otlp jaeger zipkin opencensus kafka'),
    'distributor.receivers.otlp': words('protocols'),
    'distributor.receivers.otlp.protocols': words('http grpc'),
    'distributor.receivers.otlp.protocols.http': words('endpoint cors max_request_body_size'),
    storage: words('trace'),
    'storage.trace': words('pool wal block search blocklist_poll backend local gcs s3 azure cache'),
    'storage.trace.wal': words('path ingestion_time_range_slack version'),
    'storage.trace.local': words('path'),
    compactor: words('disabled ring compaction override_ring_key'),
    'compactor.compaction': words(`compaction_window max_compaction_objects max_block_bytes block_retention
      compacted_block_retention retention_concurrency max_time_per_tenant compaction_cycle`),
    usage_report: words('reporting_enabled backoff'),
  },
  grafana: {
    dashboards: words('versions_to_keep min_refresh_interval default_home_dashboard_path'),
    'auth.anonymous': words('enabled org_name org_role hide_version device_limit'),
    security: words('disable_initial_admin_creation admin_user admin_password secret_key disable_gravatar'),
    plugins: words('preinstall preinstall_async preinstall_disabled plugin_admin_enabled'),
    analytics: words('enabled reporting_enabled check_for_updates check_for_plugin_updates'),
    users: words('allow_sign_up allow_org_create auto_assign_org default_theme'),
    log: words('mode level filters'),
  },
}

function words(text: string): string[] {
  return text.trim().split(/\s+/)
}
