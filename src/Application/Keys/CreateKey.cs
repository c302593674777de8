using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.RateLimits;
using Tokonomics.Application.Tenants;
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

    public Right Needs => Right.ManageKeys;

    public string AuditDetail => $"{Name} ({Environment}){(Limits.IsEmpty ? "" : $"; {Limits}")}";
}

internal sealed class CreateKeyRules : AbstractValidator<CreateKey>
{
    public CreateKeyRules(TimeProvider time)
    {
        RuleFor(c => c.Name).IsName();
        RuleFor(c => c.Environment).IsInEnum();
        RuleFor(c => c.Tags).AreTags();
        RuleFor(c => c.Limits).AreLimits();
        RuleFor(c => c.ExpiresAt).Must(e => e is null || e > time.GetUtcNow()).WithMessage("The key would have expired already.");
    }
}

internal sealed class CreateKeyHandler(TokonomicsDbContext db, KeyIssuing issuing) : IRequestHandler<CreateKey, Outcome<KeyMade>>
{
    public async Task<Outcome<KeyMade>> Handle(CreateKey request, CancellationToken cancellationToken)
    {
        var team = request.TeamId;
        if (request.ProjectId is not null)
        {
            var project = await db.Projects.FirstOrDefaultAsync(p => p.TenantId == request.TenantId && p.Id == request.ProjectId, cancellationToken);
            if (project is null)
                return Refusal.NotFound("project");
            team ??= project.TeamId;
        }

        if (team is not null && !await db.Teams.AnyAsync(t => t.TenantId == request.TenantId && t.Id == team, cancellationToken))
            return Refusal.NotFound("team");
        var (key, row) = issuing.Key(request.TenantId, request.Caller, request.Name, request.Environment, team, request.ProjectId, request.Tags, request.ExpiresAt);
        row.Limits = request.Limits;
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
}
