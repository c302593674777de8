using System.Xml.Linq;
using Microsoft.AspNetCore.DataProtection.Repositories;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Secrets;
using Tokonomics.Application.Tenants;
using Tokonomics.Application.Users;

namespace Tokonomics.Infrastructure.Users;

/// <summary>ASP.NET's data-protection keys in the store, sealed by the master key: all portals share them, and a copy of the database alone opens no cookie.</summary>
internal sealed class DataProtectionRing(IServiceScopeFactory scopes, ISecretBox box) : IXmlRepository
{
    public IReadOnlyCollection<XElement> GetAllElements()
    {
        using var scope = scopes.CreateScope();
        var keys = scope.ServiceProvider.GetRequiredService<TokonomicsDbContext>().DataProtectionKeys.AsNoTracking().ToList();
        return keys.ConvertAll(k => XElement.Parse(box.Open(k.AsSecret())));
    }

    public void StoreElement(XElement element, string friendlyName)
    {
        using var scope = scopes.CreateScope();
        var db = scope.ServiceProvider.GetRequiredService<TokonomicsDbContext>();
        db.DataProtectionKeys.Add(DataProtectionKey.Seal(box, friendlyName, element.ToString(SaveOptions.DisableFormatting)));
        db.SaveChanges();
    }
}
