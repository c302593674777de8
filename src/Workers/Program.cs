using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.Hosting;
using Tokonomics.Workers;

return await HostSetup.RunAsync(() => WorkersHost.Build(StoreSetup.DataFolder));
