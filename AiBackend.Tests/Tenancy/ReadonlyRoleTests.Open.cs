namespace AiBackend.Tests.Tenancy;

// What may hold words and is open, each column by its name with what it holds; and whole tables that are of no tenant.
public sealed partial class ReadonlyRoleTests
{
    // All but numbers, times, ids and their like.
    private const string OpenWords = """
        SELECT c.relname || '.' || a.attname
          FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped JOIN pg_type t ON t.oid = a.atttypid
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
           AND has_column_privilege('aibackend_readonly', c.oid, a.attnum, 'SELECT')
           AND t.typname <> ALL ('{bool,int2,int4,int8,numeric,float4,float8,date,timestamptz,interval,uuid,_int2,_int4,_int8,_timestamptz,_uuid}')
         ORDER BY 1
        """;

    private static readonly Dictionary<string, string> Open = new()
    {
        ["codes, kinds and states: words of ours, or of a small set"] = """
            alerts.cause alerts.rule
            audit_log.action audit_log.kind
            batches.endpoint
            bulk_actions.filter
            conversation_messages.role
            dead_letter_groups.class dead_letter_groups.code
            dead_letters.class dead_letters.code
            files.media_type files.purpose
            forged_messages.channel
            idempotency_keys.route
            job_attempts.cache job_attempts.error_class job_attempts.error_code
            job_outputs.finish_reason
            jobs.error_class jobs.error_code jobs.waiting_reason
            jobs_over_limit.reason
            knowledge_documents.language
            leadership.role
            limit_outlook.reason limit_outlook.tiers
            tenants.tier
            webhook_deliveries.last_error webhook_deliveries.type
            webhook_endpoints.disabled_for webhook_endpoints.events
            webhook_tries.error
            workflow_steps.type
            """,
        ["names of things, that whoever runs them gave"] = """
            api_keys.name
            budgets.path
            controls.name
            job_tool_calls.tool
            knowledge_chunks.collection
            knowledge_documents.collection
            limit_outlook.name
            organisations.name organisations.slug
            prompt_labels.label prompt_labels.name
            prompt_versions.name
            prompts.name
            routing_versions.name
            schema_migrations.name
            tenant_deletions.slug
            tenants.name tenants.slug
            tools.name
            webhook_sources.name
            workers.name
            workflow_steps.name
            workflows.name
            """,
        ["models, and who has them"] = """
            bulk_actions.model
            cached_answers.model cached_answers.model_version cached_answers.provider
            call_paces.deployment
            call_windows.deployment
            dead_letters.model
            down_deployments.model down_deployments.provider
            job_attempts.model job_attempts.model_version job_attempts.provider
            job_estimates.model
            jobs.model jobs.pool
            knowledge_chunks.vector_for knowledge_chunks.vector_model
            limit_outlook.models
            open_calls.deployment
            prices.model prices.provider
            provider_calls.model provider_calls.provider
            provider_probes.model provider_probes.provider
            refused_keys.provider
            usage_days.model usage_days.provider
            """,
        ["ids that callers gave: of requests, lines and messages, of their features and of those whom they serve"] = """
            audit_log.request_id
            batch_lines.custom_id
            budgets.subject
            conversations.end_user
            job_estimates.feature
            job_payloads.end_user job_payloads.feature job_payloads.trace_parent
            job_tool_calls.call_id
            jobs_over_limit.subject
            provider_calls.end_user provider_calls.feature
            usage_days.end_user usage_days.feature
            user_profiles.end_user
            webhook_receipts.message_id
            """,
        ["public ids of ours: of keys and users, who did it, and of what belongs together"] = """
            alerts.acknowledged_by
            api_keys.created_by api_keys.key_id api_keys.replaced_by
            audit_log.actor
            batches.key_id
            budgets.set_by
            bulk_actions.created_by
            controls.set_by
            conversations.created_by
            dead_letter_groups.fingerprint
            dead_letters.closed_by dead_letters.fingerprint
            job_payloads.key_id
            job_tool_calls.effect_id
            job_waits.answered_by job_waits.claimed_by
            key_windows.key_id
            prices.set_by
            prompt_labels.set_by
            prompt_versions.created_by
            prompts.created_by
            provider_calls.key_id
            routing_versions.created_by
            tenant_deletions.requested_by
            tools.created_by
            usage_days.key_id
            user_profiles.updated_by
            users.created_by
            webhook_deliveries.endpoint
            webhook_endpoints.created_by
            webhook_sources.created_by
            webhook_tries.endpoint
            workflows.created_by
            """,
        ["what those who run it note for each other"] = """
            alerts.message
            controls.reason
            prompt_versions.note
            prompts.description
            webhook_endpoints.description
            workflows.description
            """,
        ["rights and limits"] = "api_keys.allowed_models api_keys.allowed_networks api_keys.scopes",
        ["numbers, and the chain of the audit log"] = """
            audit_anchors.hash
            audit_head.hash
            audit_log.hash
            call_paces.asked
            tenant_deletions.audit_hash tenant_deletions.counts tenant_deletions.second_counts tenant_deletions.second_hash
            """,
    };

    // Without a wall, because they belong to no tenant, and open: everybody who logs in reads all of their rows.
    private static readonly string[] Unwalled =
    [
        "audit_anchors",
        "audit_head",
        "call_paces",
        "call_windows",
        "compaction",
        "compaction_stragglers",
        "down_deployments",
        "forged_messages",
        "leadership",
        "limit_outlook",
        "line_outlook",
        "open_calls",
        "organisations",
        "prices",
        "provider_probes",
        "refused_keys",
        "routing_revision",
        "routing_versions",
        "schema_migrations",
        "tenants",
        "users",
        "workers",
    ];

    [Fact]
    public async Task D_7_who_may_only_read_reads_the_words_that_somebody_has_decided_on_and_no_others()
    {
        var decided = Open.Values.SelectMany(columns => columns.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries)).ToList();

        var open = await NamesAsync(OpenWords);

        // Close it by let_read in its migration, or say above why it may be read.
        Assert.Empty(open.Except(decided));
        Assert.Empty(decided.Except(open));
        Assert.Equal(decided.Count, decided.Distinct(StringComparer.Ordinal).Count());
    }

    [Fact]
    public async Task D_7_what_every_reader_sees_of_all_organisations_is_said() =>
        // And in docs/operations.md.
        Assert.Equal(
            Unwalled,
            await NamesAsync(
                """
                SELECT c.relname FROM pg_class c
                 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
                   AND NOT c.relrowsecurity AND has_any_column_privilege('aibackend_readonly', c.oid, 'SELECT')
                 ORDER BY c.relname COLLATE "C"
                """
            )
        );
}
