using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.Hosting;
using Tokonomics.Web.Portal;

return await HostSetup.RunAsync(() => PortalHost.Build(StoreSetup.DataFolder));
