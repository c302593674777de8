using System.Text.RegularExpressions;
using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Keys;

/// <summary>Settings under <c>Endpoints</c>.</summary>
public sealed class EndpointOptions
{
    /// <summary>Tenants may add endpoints in the private network, over plain http too. For an installation whose tenants are all trusted.</summary>
    public bool AllowPrivate { get; set; }

    /// <summary>1 to 1000.</summary>
    public int MaxPerTenant { get; set; } = 50;
}

/// <summary>Adds an endpoint of the tenant's own: <c>/proxy/{name}/…</c> is forwarded to its base URL.</summary>
public sealed record AddCustomEndpoint(Caller Caller, string TenantId, string Name, string BaseUrl, string Surface) : IUseCase<EndpointAdded>, IChange
{
    public Right Needs => Right.ManageCredentials;

    public string AuditDetail => $"{BaseUrl} ({Surface})";
}

public sealed record EndpointAdded(string Name) : IAuditSubject
{
    public string AuditSubject => Name;
}

internal sealed partial class AddCustomEndpointRules : AbstractValidator<AddCustomEndpoint>
{
    private static readonly string[] Surfaces = ["openai", "anthropic", "gemini", "ollama", "cohere"];

    public AddCustomEndpointRules(EndpointOptions options)
    {
        RuleFor(a => a.Name).Must(n => n is not null && Name().IsMatch(n))
            .WithMessage("A name is a small letter followed by 1 to 31 small letters, digits or '-'.");
        RuleFor(a => a.Surface).Must(s => Surfaces.Contains(s)).WithMessage($"The surface is one of {string.Join(", ", Surfaces)}.");
        RuleFor(a => a.BaseUrl).Must((_, url, context) =>
        {
            if (EndpointAddress.Problem(url, options.AllowPrivate) is not { } problem)
                return true;
            context.MessageFormatter.AppendArgument("Problem", problem);
            return false;
        }).WithMessage("{Problem}");
    }

    [GeneratedRegex(@"\A[a-z][a-z0-9-]{1,31}\z")]
    private static partial Regex Name();
}

internal sealed class AddCustomEndpointHandler(TokonomicsDbContext db, IBuiltInProviders providers, EndpointOptions options, TimeProvider time)
    : IRequestHandler<AddCustomEndpoint, Outcome<EndpointAdded>>
{
    public async Task<Outcome<EndpointAdded>> Handle(AddCustomEndpoint request, CancellationToken cancellationToken)
    {
        if (providers.Contains(request.Name))
            return new Refusal(RefusalKind.Conflict, "name_taken", $"'{request.Name}' is a built-in provider; choose another name.");
        var names = await db.Endpoints.Where(e => e.TenantId == request.TenantId).Select(e => e.Name).ToListAsync(cancellationToken);
        if (names.Contains(request.Name))
            return new Refusal(RefusalKind.Conflict, "name_taken", $"There is an endpoint '{request.Name}' already; remove it first.");
        if (names.Count >= options.MaxPerTenant)
            return new Refusal(RefusalKind.Conflict, "too_many_endpoints", $"A tenant may have {options.MaxPerTenant} endpoints (Endpoints:MaxPerTenant).");
        db.Endpoints.Add(new StoredEndpoint
        {
            TenantId = request.TenantId,
            Name = request.Name,
            BaseUrl = request.BaseUrl,
            Surface = request.Surface,
            CreatedAt = time.GetUtcNow(),
            CreatedBy = request.Caller.Actor,
        });
        return new EndpointAdded(request.Name);
    }
}

/// <summary>Removes an endpoint and ends its credential: a later endpoint of that name must not inherit the key.</summary>
public sealed record RemoveCustomEndpoint(Caller Caller, string TenantId, string Name) : IUseCase<EndpointRemoved>, IChange
{
    public Right Needs => Right.ManageCredentials;

    public string AuditDetail => "";
}

public sealed record EndpointRemoved(string Name) : IAuditSubject
{
    public string AuditSubject => Name;
}

internal sealed class RemoveCustomEndpointHandler(TokonomicsDbContext db, TimeProvider time) : IRequestHandler<RemoveCustomEndpoint, Outcome<EndpointRemoved>>
{
    public async Task<Outcome<EndpointRemoved>> Handle(RemoveCustomEndpoint request, CancellationToken cancellationToken)
    {
        var row = await db.Endpoints.FirstOrDefaultAsync(e => e.TenantId == request.TenantId && e.Name == request.Name, cancellationToken);
        if (row is null)
            return Refusal.NotFound("endpoint");
        db.Endpoints.Remove(row);
        var credential = await db.Credentials.FirstOrDefaultAsync(
            c => c.TenantId == request.TenantId && c.Provider == request.Name && c.EndedAt == null, cancellationToken);
        if (credential is not null)
        {
            var secretId = credential.End(time.GetUtcNow(), request.Caller.Actor);
            await db.SaveChangesAsync(cancellationToken);
            await db.Secrets.Where(s => s.TenantId == request.TenantId && s.Id == secretId).ExecuteDeleteAsync(cancellationToken);
        }

        return new EndpointRemoved(row.Name);
    }
}

/// <summary>The tenant's own endpoints by name.</summary>
public sealed record ListCustomEndpoints(Caller Caller, string TenantId) : IUseCase<EndpointList>
{
    public Right Needs => Right.ReadKeys;
}

public sealed record EndpointList(IReadOnlyList<EndpointLine> Endpoints);

public sealed record EndpointLine(string Name, string BaseUrl, string Surface, DateTimeOffset CreatedAt, string CreatedBy);

internal sealed class ListCustomEndpointsHandler(TokonomicsDbContext db) : IRequestHandler<ListCustomEndpoints, Outcome<EndpointList>>
{
    public async Task<Outcome<EndpointList>> Handle(ListCustomEndpoints request, CancellationToken cancellationToken) =>
        new EndpointList(await db.Endpoints.AsNoTracking().Where(e => e.TenantId == request.TenantId).OrderBy(e => e.Name)
            .Select(e => new EndpointLine(e.Name, e.BaseUrl, e.Surface, e.CreatedAt, e.CreatedBy)).ToListAsync(cancellationToken));
}
