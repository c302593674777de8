using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.RateLimits;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Caching;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.RateLimits;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Keys;

/// <summary>Makes a metering key. A key of a project belongs to the project's team, unless another is named.</summary>
public sealed record CreateKey(Caller Caller, string TenantId, string Name, KeyEnvironment Environment) : IUseCase<KeyMade>, IChange
{
    public string? TeamId { get; init; }

    public string? ProjectId { get; init; }

    public IReadOnlyList<Tag> Tags { get; init; } = [];

    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>What is null is not limited.</summary>
    public CallLimits Limits { get; init; } = new();

    /// <summary>By name. Empty: every provider.</summary>
    public IReadOnlyList<string> AllowedProviders { get; init; } = [];

    /// <summary>Names, or beginnings such as <c>gpt-5*</c>. Empty: every model.</summary>
    public IReadOnlyList<string> AllowedModels { get; init; } = [];

    /// <summary>For how long an answer may be given again to an exact repeat: 1 to <see cref="CacheTime.MostSeconds"/>; null for not at all.</summary>
    public int? CacheSeconds { get; init; }

    public Right Needs => Right.ManageKeys;

    public string AuditDetail => $"{Name} ({Environment}){(Limits.IsEmpty ? "" : $"; {Limits}")}{KeyLists.Describe(AllowedProviders, AllowedModels)}{KeyLists.Caching(CacheSeconds)}";
}

internal sealed class CreateKeyRules : AbstractValidator<CreateKey>
{
    public CreateKeyRules(TimeProvider time)
    {
        RuleFor(c => c.Name).IsName();
        RuleFor(c => c.Environment).IsInEnum();
        RuleFor(c => c.Tags).AreTags();
        RuleFor(c => c.Limits).AreLimits();
        RuleFor(c => c.AllowedModels).AreModels();
        RuleFor(c => c.CacheSeconds).Must(CacheTime.IsAllowed).WithMessage(CacheTime.Problem);
        RuleFor(c => c.ExpiresAt).Must(e => e is null || e > time.GetUtcNow()).WithMessage("The key would have expired already.");
    }
}

internal sealed class CreateKeyHandler(TokonomicsDbContext db, KeyIssuing issuing, IBuiltInProviders providers) : IRequestHandler<CreateKey, Outcome<KeyMade>>
{
    public async Task<Outcome<KeyMade>> Handle(CreateKey request, CancellationToken cancellationToken)
    {
        var (team, nowhere) = await KeyPlace.FindAsync(db, request.TenantId, request.TeamId, request.ProjectId, cancellationToken);
        if ((nowhere ?? await KeyLists.ProblemAsync(db, providers, request.TenantId, request.AllowedProviders, cancellationToken)) is { } refusal)
            return refusal;
        var (key, row) = issuing.Key(request.TenantId, request.Caller, request.Name, request.Environment, team, request.ProjectId, request.Tags, request.ExpiresAt);
        row.Limits = request.Limits;
        row.Allow(request.AllowedProviders, request.AllowedModels);
        row.CacheSeconds = request.CacheSeconds;
        db.Keys.Add(row);
        return new KeyMade(row.TenantId, row.Id, row.Name, row.Environment, row.Masked, key.Reveal());
    }
}

/// <summary>Rules that several validators share.</summary>
internal static class CommonRules
{
    public static IRuleBuilderOptions<T, string> IsName<T>(this IRuleBuilder<T, string> rule) =>
        rule.Must(name => !string.IsNullOrWhiteSpace(name) && name.Length <= 100 && !name.Any(char.IsControl))
            .WithMessage("A name has 1 to 100 printable characters.");

    public static IRuleBuilderOptions<T, IReadOnlyList<Tag>> AreTags<T>(this IRuleBuilder<T, IReadOnlyList<Tag>> rule) =>
        rule.Must((_, tags, context) =>
        {
            if (KeyTags.Problem(tags) is not { } problem)
                return true;
            context.MessageFormatter.AppendArgument("Problem", problem);
            return false;
        }).WithMessage("{Problem}");

    public static IRuleBuilderOptions<T, IReadOnlyList<string>> AreModels<T>(this IRuleBuilder<T, IReadOnlyList<string>> rule) =>
        rule.Must((_, models, context) =>
        {
            if (KeyAllowance.Problem(models) is not { } problem)
                return true;
            context.MessageFormatter.AppendArgument("Problem", problem);
            return false;
        }).WithMessage("{Problem}");
}

/// <summary>The team and the project that a key belongs to.</summary>
internal static class KeyPlace
{
    /// <returns>The team: the one that is named, or the project's. A refusal where there is no such team or project, or it is archived.</returns>
    public static async Task<(string? TeamId, Refusal? Refusal)> FindAsync(TokonomicsDbContext db, string tenantId, string? teamId, string? projectId, CancellationToken cancellationToken)
    {
        if (projectId is not null)
        {
            var project = await db.Projects.FirstOrDefaultAsync(p => p.TenantId == tenantId && p.Id == projectId && p.ArchivedAt == null, cancellationToken);
            if (project is null)
                return (null, Refusal.NotFound("project"));
            teamId ??= project.TeamId;
        }

        return teamId is not null && !await db.Teams.AnyAsync(t => t.TenantId == tenantId && t.Id == teamId && t.ArchivedAt == null, cancellationToken)
            ? (null, Refusal.NotFound("team"))
            : (teamId, null);
    }
}

/// <summary>What a key may use.</summary>
internal static class KeyLists
{
    public static async Task<Refusal?> ProblemAsync(TokonomicsDbContext db, IBuiltInProviders builtIn, string tenantId, IReadOnlyList<string> providers, CancellationToken cancellationToken)
    {
        if (providers.Distinct(StringComparer.Ordinal).Count() != providers.Count)
            return Refusal.Invalid(nameof(CreateKey.AllowedProviders), "A provider is named twice.");
        foreach (var name in providers.Where(p => !builtIn.Contains(p)))
            if (!await db.Endpoints.AnyAsync(e => e.TenantId == tenantId && e.Name == name, cancellationToken))
                return Refusal.Invalid(nameof(CreateKey.AllowedProviders), $"'{(name.Length <= 80 ? name : name[..80])}' is neither a provider nor an endpoint of this tenant.");
        return null;
    }

    public static string Caching(int? seconds) => seconds is { } kept ? FormattableString.Invariant($"; answers kept {kept} s") : "";

    public static string Describe(IReadOnlyList<string> providers, IReadOnlyList<string> models) =>
        (providers.Count == 0 ? "" : $"; providers {string.Join(' ', providers)}") + (models.Count == 0 ? "" : $"; models {string.Join(' ', models)}");
}
