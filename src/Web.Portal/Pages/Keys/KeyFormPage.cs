using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.RateLimits;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Keys;

/// <summary>What can be said of a key, as people type it.</summary>
public sealed class KeyForm
{
    [Required(ErrorMessage = "Give it a name, such as the service that will use it.")]
    public string Name { get; set; } = "";

    public string? Place { get; set; }

    public string? Tags { get; set; }

    /// <summary>The last day on which it is accepted.</summary>
    public string? Expires { get; set; }

    public long? RequestsPerMinute { get; set; }

    public long? TokensPerMinute { get; set; }

    public int? ConcurrentRequests { get; set; }

    public string? Providers { get; set; }

    public string? Models { get; set; }

    public int? CacheSeconds { get; set; }

    public CallLimits Limits => new(RequestsPerMinute, TokensPerMinute, ConcurrentRequests);

    public static KeyForm Of(KeyLine key, TimeZoneInfo zone) => new()
    {
        Name = key.Name,
        Place = Places.Write(key.TeamId, key.ProjectId),
        Tags = Lines.Tags(key.Tags),
        Expires = Lines.LastDay(key.ExpiresAt, zone),
        RequestsPerMinute = key.Limits.RequestsPerMinute,
        TokensPerMinute = key.Limits.TokensPerMinute,
        ConcurrentRequests = key.Limits.ConcurrentRequests,
        Providers = string.Join('\n', key.AllowedProviders),
        Models = string.Join('\n', key.AllowedModels),
        CacheSeconds = key.CacheSeconds,
    };

    public bool HasLimits => RequestsPerMinute is not null || TokensPerMinute is not null || ConcurrentRequests is not null;

    public bool HasLists => !string.IsNullOrWhiteSpace(Providers) || !string.IsNullOrWhiteSpace(Models);
}

/// <summary>What making and changing a key have in common.</summary>
public abstract class KeyFormPage : PortalPage
{
    [BindProperty]
    public KeyForm Form { get; set; } = new();

    public Places Places { get; private set; } = null!;

    protected async Task<bool> FindPlacesAsync()
    {
        if (await AskAsync(new ListTeams(Caller, TenantId, WithArchived: true)) is not { } teams)
            return false;
        Places = new Places(teams);
        return true;
    }

    protected override string FieldName(string field) => field switch
    {
        "Name" or "Tags" or "CacheSeconds" => "Form." + field,
        "ExpiresAt" => "Form.Expires",
        "AllowedProviders" => "Form.Providers",
        "AllowedModels" => "Form.Models",
        "Limits" => "Form.RequestsPerMinute",
        _ => field,
    };

    /// <summary>What is typed but can't be meant.</summary>
    protected (IReadOnlyList<Tag> Tags, DateTimeOffset? ExpiresAt)? Read()
    {
        var tags = Lines.Tags(Form.Tags);
        if (tags is null)
            ModelState.AddModelError("Form.Tags", "Write one tag a line, as name=value.");
        var expires = Lines.EndOfDay(Form.Expires, Zone);
        if (expires is null && !string.IsNullOrWhiteSpace(Form.Expires))
            ModelState.AddModelError("Form.Expires", "Write the date as 2027-12-31, or leave it empty.");
        return ModelState.IsValid ? (tags!, expires) : null;
    }
}
