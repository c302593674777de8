using System.Text;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;
using Tokonomics.Application.Alerts;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Jobs;
using Tokonomics.Application.Pricing;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Secrets;
using Tokonomics.Application.Users;
using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Tenants;

/// <summary>
/// The tenants' data, mapped onto the schema that each store's scripts make; it never creates a table itself. The ledger is not in it: events
/// are appended in bulk and read by SQL.
/// </summary>
public sealed class TokonomicsDbContext(DbContextOptions<TokonomicsDbContext> options) : DbContext(options)
{
    public DbSet<Tenant> Tenants => Set<Tenant>();

    public DbSet<Member> Members => Set<Member>();

    public DbSet<Invitation> Invitations => Set<Invitation>();

    public DbSet<Team> Teams => Set<Team>();

    public DbSet<Project> Projects => Set<Project>();

    public DbSet<IssuedKey> Keys => Set<IssuedKey>();

    public DbSet<IssuedToken> Tokens => Set<IssuedToken>();

    public DbSet<SealedSecret> Secrets => Set<SealedSecret>();

    public DbSet<StoredCredential> Credentials => Set<StoredCredential>();

    public DbSet<StoredEndpoint> Endpoints => Set<StoredEndpoint>();

    public DbSet<StoredPriceOverride> PriceOverrides => Set<StoredPriceOverride>();

    public DbSet<StoredRoute> Routes => Set<StoredRoute>();

    /// <summary>Without the plans' quotas.</summary>
    public DbSet<StoredBudget> Budgets => Set<StoredBudget>();

    public DbSet<BillingAccount> BillingAccounts => Set<BillingAccount>();

    public DbSet<StoredCustomerTerms> CustomerTerms => Set<StoredCustomerTerms>();

    public DbSet<StoredPaymentTrouble> PaymentTroubles => Set<StoredPaymentTrouble>();

    public DbSet<StripeMeter> StripeMeters => Set<StripeMeter>();

    public DbSet<MeteredCustomer> MeteredCustomers => Set<MeteredCustomer>();

    public DbSet<MeterReport> MeterReports => Set<MeterReport>();

    public DbSet<StoredPaymentEvent> PaymentEvents => Set<StoredPaymentEvent>();

    public DbSet<AlertChannel> AlertChannels => Set<AlertChannel>();

    public DbSet<StoredAlert> Alerts => Set<StoredAlert>();

    public DbSet<AlertDelivery> AlertDeliveries => Set<AlertDelivery>();

    public DbSet<JobRequest> JobRequests => Set<JobRequest>();

    public DbSet<StoredAlertRule> AlertRules => Set<StoredAlertRule>();

    public DbSet<StoredMute> AlertMutes => Set<StoredMute>();

    public DbSet<AlertSettings> AlertSettings => Set<AlertSettings>();

    public DbSet<User> Users => Set<User>();

    public DbSet<DataProtectionKey> DataProtectionKeys => Set<DataProtectionKey>();

    public DbSet<AuditEntry> Audit => Set<AuditEntry>();

    protected override void ConfigureConventions(ModelConfigurationBuilder configurationBuilder)
    {
        configurationBuilder.Properties<DateTimeOffset>().HaveConversion<UnixMicroseconds>();
        configurationBuilder.Properties<Role>().HaveConversion<LowerCase<Role>>();
        configurationBuilder.Properties<TenantPlan>().HaveConversion<LowerCase<TenantPlan>>();
        configurationBuilder.Properties<TenantStatus>().HaveConversion<LowerCase<TenantStatus>>();
        configurationBuilder.Properties<UnpricedPolicy>().HaveConversion<LowerCase<UnpricedPolicy>>();
        configurationBuilder.Properties<DisconnectPolicy>().HaveConversion<LowerCase<DisconnectPolicy>>();
        configurationBuilder.Properties<BudgetPeriod>().HaveConversion<LowerCase<BudgetPeriod>>();
        configurationBuilder.Properties<BudgetAction>().HaveConversion<LowerCase<BudgetAction>>();
        configurationBuilder.Properties<BudgetMode>().HaveConversion<LowerCase<BudgetMode>>();
        configurationBuilder.Properties<EntitlementReason>().HaveConversion<LowerCase<EntitlementReason>>();
        configurationBuilder.Properties<SubscriptionStatus>().HaveConversion<LowerCase<SubscriptionStatus>>();
        configurationBuilder.Properties<ChannelKind>().HaveConversion<LowerCase<ChannelKind>>();
        configurationBuilder.Properties<AlertSeverity>().HaveConversion<LowerCase<AlertSeverity>>();
        configurationBuilder.Properties<PaymentTroubleKind>().HaveConversion<LowerCase<PaymentTroubleKind>>();
        configurationBuilder.Properties<MeterReportState>().HaveConversion<LowerCase<MeterReportState>>();
        configurationBuilder.Properties<AuditResult>().HaveConversion<LowerCase<AuditResult>>();
    }

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<Tenant>().ToTable("tenants").Ignore(t => t.Limits).Ignore(t => t.Calendar).HasKey(t => t.Id);
        modelBuilder.Entity<Member>().ToTable("members").HasKey(m => new { m.TenantId, m.Id });
        modelBuilder.Entity<Invitation>().ToTable("invitations").HasKey(i => new { i.TenantId, i.Id });
        modelBuilder.Entity<Team>().ToTable("teams").HasKey(t => new { t.TenantId, t.Id });
        modelBuilder.Entity<Project>().ToTable("projects").HasKey(p => new { p.TenantId, p.Id });
        modelBuilder.Entity<IssuedKey>().ToTable("metering_keys").Ignore(k => k.Masked).Ignore(k => k.Limits).HasKey(k => new { k.TenantId, k.Id });
        modelBuilder.Entity<IssuedToken>().ToTable("api_tokens").HasKey(t => new { t.TenantId, t.Id });
        modelBuilder.Entity<SealedSecret>().ToTable("secrets").HasKey(s => new { s.TenantId, s.Id });
        modelBuilder.Entity<StoredCredential>().ToTable("provider_credentials").HasKey(c => new { c.TenantId, c.Id });
        modelBuilder.Entity<StoredEndpoint>().ToTable("custom_endpoints").HasKey(e => new { e.TenantId, e.Name });
        modelBuilder.Entity<StoredPriceOverride>().ToTable("price_overrides").HasKey(p => new { p.TenantId, p.Id });
        modelBuilder.Entity<StoredRoute>().ToTable("model_routes").HasKey(r => new { r.TenantId, r.Id });
        modelBuilder.Entity<StoredRoute>().HasOne<Tenant>().WithMany().HasForeignKey(r => r.TenantId);
        // A plan's quota is a budget that nobody but billing sees.
        modelBuilder.Entity<StoredBudget>().ToTable("budgets").HasQueryFilter(b => b.Scope != "tenant" || b.ScopeName == "").HasKey(b => new { b.TenantId, b.Id });
        modelBuilder.Entity<BillingAccount>().ToTable("billing_accounts").HasKey(b => b.TenantId);
        modelBuilder.Entity<BillingAccount>().HasOne<Tenant>().WithMany().HasForeignKey(b => b.TenantId);
        modelBuilder.Entity<StoredCustomerTerms>().ToTable("customer_terms").HasKey(t => new { t.TenantId, t.Customer, t.FromMonth });
        modelBuilder.Entity<StoredCustomerTerms>().HasOne<Tenant>().WithMany().HasForeignKey(t => t.TenantId);
        modelBuilder.Entity<StoredPaymentTrouble>().ToTable("payment_troubles").HasKey(t => new { t.TenantId, t.Id });
        modelBuilder.Entity<StoredPaymentTrouble>().HasOne<Tenant>().WithMany().HasForeignKey(t => t.TenantId);
        modelBuilder.Entity<StripeMeter>().ToTable("stripe_meters").HasKey(m => m.TenantId);
        modelBuilder.Entity<StripeMeter>().HasOne<Tenant>().WithMany().HasForeignKey(m => m.TenantId);
        modelBuilder.Entity<MeteredCustomer>().ToTable("metered_customers").HasKey(c => new { c.TenantId, c.Customer });
        modelBuilder.Entity<MeteredCustomer>().HasOne<Tenant>().WithMany().HasForeignKey(c => c.TenantId);
        modelBuilder.Entity<MeterReport>().ToTable("meter_reports").HasKey(r => new { r.TenantId, r.Live, r.Customer, r.Hour, r.Serial });
        modelBuilder.Entity<MeterReport>().HasOne<Tenant>().WithMany().HasForeignKey(r => r.TenantId);
        modelBuilder.Entity<MeterReport>().Property(r => r.Serial).ValueGeneratedNever();
        modelBuilder.Entity<StoredPaymentEvent>().ToTable("payment_events").HasKey(e => e.Id);
        modelBuilder.Entity<AlertChannel>().ToTable("alert_channels").HasKey(c => new { c.TenantId, c.Id });
        modelBuilder.Entity<AlertChannel>().HasOne<Tenant>().WithMany().HasForeignKey(c => c.TenantId);
        modelBuilder.Entity<StoredAlert>().ToTable("alerts").Ignore(a => a.Subject).HasKey(a => new { a.TenantId, a.Id });
        modelBuilder.Entity<AlertDelivery>().ToTable("alert_deliveries").HasKey(d => new { d.TenantId, d.AlertId, d.ChannelId });
        modelBuilder.Entity<JobRequest>().ToTable("job_requests").HasKey(r => r.Job);
        modelBuilder.Entity<StoredAlertRule>().ToTable("alert_rules").Ignore(r => r.Subject).Ignore(r => r.Terms).HasKey(r => new { r.TenantId, r.Id });
        modelBuilder.Entity<StoredAlertRule>().HasOne<Tenant>().WithMany().HasForeignKey(r => r.TenantId);
        modelBuilder.Entity<StoredMute>().ToTable("alert_mutes").Ignore(m => m.Subject).HasKey(m => new { m.TenantId, m.Id });
        modelBuilder.Entity<StoredMute>().HasOne<Tenant>().WithMany().HasForeignKey(m => m.TenantId);
        modelBuilder.Entity<AlertSettings>().ToTable("alert_settings").Ignore(s => s.Quiet).HasKey(s => s.TenantId);
        modelBuilder.Entity<AlertSettings>().HasOne<Tenant>().WithMany().HasForeignKey(s => s.TenantId);
        modelBuilder.Entity<User>().ToTable("users").Ignore(u => u.PhoneNumber).Ignore(u => u.PhoneNumberConfirmed).HasKey(u => u.Id);
        modelBuilder.Entity<User>().Property(u => u.ConcurrencyStamp).IsConcurrencyToken();
        modelBuilder.Entity<IdentityUserToken<string>>().ToTable("user_tokens").HasKey(t => new { t.UserId, t.LoginProvider, t.Name });
        modelBuilder.Entity<IdentityUserPasskey<string>>(p =>
        {
            p.ToTable("user_passkeys").HasKey(k => k.CredentialId);
            p.OwnsOne(k => k.Data).ToJson("data");
        });
        modelBuilder.Entity<DataProtectionKey>().ToTable("data_protection_keys").HasKey(k => k.Id);
        modelBuilder.Entity<AuditEntry>().ToTable("audit_log").HasKey(a => new { a.TenantId, a.Seq });

        // EF orders inserts by the references that it knows of. The composite ones to teams and projects only matter when both are made at once.
        modelBuilder.Entity<Member>().HasOne<Tenant>().WithMany().HasForeignKey(m => m.TenantId);
        modelBuilder.Entity<Invitation>().HasOne<Tenant>().WithMany().HasForeignKey(i => i.TenantId);
        modelBuilder.Entity<Member>().HasOne<User>().WithMany().HasForeignKey(m => m.UserId);
        modelBuilder.Entity<Team>().HasOne<Tenant>().WithMany().HasForeignKey(t => t.TenantId);
        modelBuilder.Entity<Project>().HasOne<Tenant>().WithMany().HasForeignKey(p => p.TenantId);
        modelBuilder.Entity<IssuedKey>().HasOne<Tenant>().WithMany().HasForeignKey(k => k.TenantId);
        modelBuilder.Entity<IssuedToken>().HasOne<Tenant>().WithMany().HasForeignKey(t => t.TenantId);
        modelBuilder.Entity<SealedSecret>().HasOne<Tenant>().WithMany().HasForeignKey(s => s.TenantId);
        modelBuilder.Entity<StoredCredential>().HasOne<Tenant>().WithMany().HasForeignKey(c => c.TenantId);
        modelBuilder.Entity<StoredEndpoint>().HasOne<Tenant>().WithMany().HasForeignKey(e => e.TenantId);
        modelBuilder.Entity<StoredPriceOverride>().HasOne<Tenant>().WithMany().HasForeignKey(p => p.TenantId);
        modelBuilder.Entity<StoredBudget>().HasOne<Tenant>().WithMany().HasForeignKey(b => b.TenantId);
        modelBuilder.Entity<AuditEntry>().Property(a => a.Seq).ValueGeneratedNever();

        foreach (var entity in modelBuilder.Model.GetEntityTypes())
            foreach (var property in entity.IsMappedToJson() ? [] : entity.GetProperties())
                property.SetColumnName(SnakeCase(property.Name));
    }

    /// <summary><c>CreatedAt</c> → <c>created_at</c>.</summary>
    internal static string SnakeCase(string name)
    {
        var text = new StringBuilder(name.Length + 4);
        foreach (var c in name)
        {
            if (char.IsAsciiLetterUpper(c) && text.Length > 0)
                text.Append('_');
            text.Append(char.ToLowerInvariant(c));
        }

        return text.ToString();
    }

    /// <summary>Times are whole microseconds since 1970, UTC, in every store.</summary>
    private sealed class UnixMicroseconds() : ValueConverter<DateTimeOffset, long>(
        time => (time.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks) / TimeSpan.TicksPerMicrosecond,
        stored => DateTimeOffset.UnixEpoch.AddTicks(stored * TimeSpan.TicksPerMicrosecond));

    private sealed class LowerCase<T>() : ValueConverter<T, string>(
        value => value.ToString().ToLowerInvariant(),
        stored => Enum.Parse<T>(stored, true))
        where T : struct, Enum;
}
